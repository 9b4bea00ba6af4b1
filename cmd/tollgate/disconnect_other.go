//go:build !linux

package main

// disconnect is for Linux, where a thread that hangs in the disk keeps a process that ends.
func disconnect() {}
