//go:build !linux

package testdb

import "syscall"

func processAttributes() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }

func memoryDir() string { return "" }
