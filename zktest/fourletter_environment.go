package zktest

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strings"
)

// environment answers envi. The values that only Java has are <NA>.
func (s *Server) environment() string {
	const none = "<NA>"
	host, _ := os.Hostname()
	home, _ := os.UserHomeDir()
	dir, _ := os.Getwd()
	name := none
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	var b strings.Builder
	b.WriteString("Environment:\n")
	for _, kv := range [][2]string{
		{"zookeeper.version", s.versionString()},
		{"host.name", cmp.Or(host, none)},
		{"java.version", none}, {"java.vendor", none}, {"java.home", none}, {"java.class.path", none}, {"java.library.path", none},
		{"java.io.tmpdir", os.TempDir()}, {"java.compiler", none},
		{"os.name", osName()}, {"os.arch", runtime.GOARCH}, {"os.version", cmp.Or(strings.TrimSpace(string(release)), none)},
		{"user.name", name}, {"user.home", cmp.Or(home, none)}, {"user.dir", cmp.Or(dir, none)},
		{"os.memory.free", megabytes(mem.HeapIdle)}, {"os.memory.max", megabytes(mem.Sys)}, {"os.memory.total", megabytes(mem.Sys)},
	} {
		fmt.Fprintf(&b, "%s=%s\n", kv[0], kv[1])
	}
	return b.String()
}

// osName returns Java's name of the operating system.
func osName() string {
	switch runtime.GOOS {
	case "linux":
		return "Linux"
	case "darwin":
		return "Mac OS X"
	case "windows":
		return "Windows"
	}
	return runtime.GOOS
}

func megabytes(bytes uint64) string { return fmt.Sprintf("%dMB", bytes>>20) }

// dirs answers with the size of the server's file.
func (s *Server) dirs() string {
	size := s.fileSize()
	return fmt.Sprintf("datadir_size: %d\nlogdir_size: %d\n", size, size)
}

func (s *Server) fileSize() int64 {
	if s.opts.file == "" {
		return 0
	}
	info, err := os.Stat(s.opts.file)
	if err != nil {
		return 0
	}
	return info.Size()
}
