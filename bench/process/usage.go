package process

import (
	"errors"
	"fmt"
)

// ErrNoProc says that the system does not tell what a process uses.
var ErrNoProc = errors.New("what a process uses is read from /proc, which is Linux's: there is none here")

// CPU is the CPU time, in seconds, that processes have used since they were
// started: in user and in kernel mode, of all their threads, of what they
// started as far as it stays in their process group, and of children that they
// waited for. It counts in steps of 10 ms a process. Of a process that has
// ended it is what it used in all; of its children then only those that it had
// waited for. It does not fall unless a process leaves children behind.
func CPU(processes ...*Process) (float64, error) {
	total, running := 0.0, map[int]*Process{}
	for _, p := range processes {
		select {
		case <-p.done:
			total += p.endedCPU()
		default:
			running[p.PID()] = p
		}
	}
	if len(running) == 0 {
		return total, nil
	}
	used, err := groupCPU(running)
	if err != nil {
		return 0, err
	}
	for pid, p := range running {
		if seconds, ok := used[pid]; ok {
			total += seconds
			continue
		}
		<-p.done // it has gone meanwhile
		total += p.endedCPU()
	}
	return total, nil
}

// CPU is what the process has used, in seconds. See the function CPU.
func (p *Process) CPU() (float64, error) { return CPU(p) }

// endedCPU is that of a process that has ended.
func (p *Process) endedCPU() float64 {
	state := p.cmd.ProcessState
	return (state.UserTime() + state.SystemTime()).Seconds()
}

// PeakMemory is the most memory that the process itself has had resident, in
// bytes; what it started is not in it. Of a process that has ended nothing is
// known any more, which is an error.
func (p *Process) PeakMemory() (uint64, error) {
	n, err := peakMemory(p.PID())
	if err == nil && p.Err() == nil {
		return n, nil
	}
	return 0, p.untold("peak memory", err)
}

// DiskWritten is the bytes that the process itself has had written to storage:
// pages that it made dirty, whether they are on the disk yet or not. What it
// started is not in it, nor what goes to a file system in memory. Of a process
// that has ended it is what it wrote in all.
func (p *Process) DiskWritten() (uint64, error) {
	n, err := diskWritten(p.PID())
	select {
	case <-p.done:
		return endedDiskWritten(p.cmd.ProcessState)
	default:
	}
	if err == nil {
		return n, nil
	}
	if over(p.PID()) {
		<-p.done
		return endedDiskWritten(p.cmd.ProcessState)
	}
	return 0, p.untold("bytes written", err)
}

// untold is the error of a figure that cannot be had.
func (p *Process) untold(what string, err error) error {
	if ended := p.Err(); ended != nil {
		err = ended
	}
	return fmt.Errorf("%s: %s: %w", p.name, what, err)
}
