package testdb

import "syscall"

// processAttributes end a server when the tests are killed, which leaves them no
// time to do so.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// memoryDir is a directory in memory with space for servers, or empty, which
// stands for the default one.
func memoryDir() string {
	const dir, enough = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return ""
	}
	return dir
}
