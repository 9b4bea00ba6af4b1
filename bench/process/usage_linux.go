package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/prometheus/procfs"
)

// userHZ is the clock ticks a second that the kernel tells CPU time in. It is
// 100 for every program on every architecture that Go runs on, whatever the
// kernel's own.
const userHZ = 100

// proc opens /proc, wherever it is mounted.
func proc(mount string) (procfs.FS, error) {
	fs, err := procfs.NewFS(mount)
	if err != nil {
		return fs, fmt.Errorf("%w (%w)", ErrNoProc, err)
	}
	return fs, nil
}

// groupCPU is the CPU seconds of the process groups of processes that run, by
// their number. Those that are over are not in it.
func groupCPU(running map[int]*Process) (map[int]float64, error) {
	fs, err := proc(procfs.DefaultMountPoint)
	if err != nil {
		return nil, err
	}
	all, err := fs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoProc, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w (it is empty)", ErrNoProc)
	}
	ticks, leader := map[int]uint64{}, map[int]bool{}
	for _, candidate := range all {
		stat, err := candidate.Stat()
		switch {
		case err != nil && gone(err):
			continue
		case err != nil && running[candidate.PID] == nil:
			continue // another's, which may be hidden from us
		case err != nil:
			return nil, fmt.Errorf("the CPU time of process %d: %w", candidate.PID, err)
		case running[stat.PGRP] == nil:
			continue
		}
		// What children used moves into CUTime when they are waited for.
		ticks[stat.PGRP] += uint64(stat.UTime) + uint64(stat.STime) + uint64(max(stat.CUTime, 0)) + uint64(max(stat.CSTime, 0))
		if candidate.PID == stat.PGRP {
			leader[stat.PGRP] = true
		}
	}
	used := map[int]float64{}
	for pid := range leader {
		used[pid] = float64(ticks[pid]) / userHZ
	}
	return used, nil
}

// gone tells whether a process was over before it could be read.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// over tells whether a process has ended, waited for or not.
func over(pid int) bool {
	running, err := openProcess(pid)
	if err != nil {
		return gone(err)
	}
	stat, err := running.Stat()
	return err != nil && gone(err) || stat.State == "Z" || stat.State == "X"
}

func openProcess(pid int) (procfs.Proc, error) {
	fs, err := proc(procfs.DefaultMountPoint)
	if err != nil {
		return procfs.Proc{}, err
	}
	return fs.Proc(pid)
}

// peakMemory is VmHWM. What wait4(2) tells of a process's memory once it is
// over is no such figure: it starts from its parent's.
func peakMemory(pid int) (uint64, error) {
	running, err := openProcess(pid)
	if err != nil {
		return 0, err
	}
	status, err := running.NewStatus()
	if err != nil {
		return 0, err
	}
	if status.VmHWM == 0 {
		return 0, errors.New("it has no memory any more")
	}
	return status.VmHWM, nil
}

func diskWritten(pid int) (uint64, error) {
	running, err := openProcess(pid)
	if err != nil {
		return 0, err
	}
	io, err := running.IO()
	return io.WriteBytes, err
}

// endedDiskWritten is write_bytes too, in the blocks that getrusage(2) tells.
func endedDiskWritten(state *os.ProcessState) (uint64, error) {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("the system does not tell what a process wrote that has ended")
	}
	return uint64(usage.Oublock) * 512, nil
}
