// Package docs holds the documents to what the program does. Its tests run the
// commands of the pages against clusters that they start, and the programs
// that sign calls against a node; what they do not run they look up: commands
// and flags of tollgate, targets of make.
package docs
