//go:build !linux

package process

import "os"

func groupCPU(map[int]*Process) (map[int]float64, error) { return nil, ErrNoProc }

func over(int) bool { return false }

func peakMemory(int) (uint64, error) { return 0, ErrNoProc }

func diskWritten(int) (uint64, error) { return 0, ErrNoProc }

func endedDiskWritten(*os.ProcessState) (uint64, error) { return 0, ErrNoProc }
