// Package javaproc finds Java and ZooKeeper on this machine, and runs Java processes.
package javaproc

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A MissingError is returned if Java or ZooKeeper is not installed.
type MissingError struct {
	What string // "Java" or "ZooKeeper"
	Help string // what to install
}

func (e *MissingError) Error() string { return e.What + " not found: " + e.Help }

const (
	javaHelp = "install Java 11 or newer (Debian: apt install default-jre-headless) " +
		"and have java on PATH or set JAVA_HOME"
	zooKeeperHelp = "install Debian's package (apt install zookeeper), " +
		"or unpack the archive of https://zookeeper.apache.org/releases.html and set ZOOKEEPER_HOME to its folder"
)

// FindJava returns the path of the java command.
func FindJava() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if java, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return java, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", &MissingError{"Java", javaHelp}
	}
	return java, nil
}

// FindZooKeeper returns the class path of a ZooKeeper server. If home is not empty, it
// is a folder in the layout of the official archive, of which only lib is needed.
// Otherwise Debian's package is used.
func FindZooKeeper(home string) (string, error) {
	if home != "" {
		var jars []string
		for _, pattern := range []string{"lib/*.jar", "*.jar"} {
			found, _ := filepath.Glob(filepath.Join(home, filepath.FromSlash(pattern)))
			jars = append(jars, found...)
		}
		for _, jar := range jars {
			if strings.HasPrefix(filepath.Base(jar), "zookeeper-") {
				return classPath(jars...), nil
			}
		}
		return "", &MissingError{"ZooKeeper", "no zookeeper-*.jar in " + filepath.Join(home, "lib") + ": " + zooKeeperHelp}
	}
	// The manifest of Debian's jar names all its dependencies except a logger. One of
	// the two loggers below is part of slf4j.
	const dir = "/usr/share/java"
	server := filepath.Join(dir, "zookeeper.jar")
	if runtime.GOOS != "linux" || !exists(server) {
		return "", &MissingError{"ZooKeeper", zooKeeperHelp}
	}
	for _, logger := range []string{"slf4j-simple.jar", "slf4j-nop.jar"} {
		if jar := filepath.Join(dir, logger); exists(jar) {
			return classPath(server, jar), nil
		}
	}
	return classPath(server), nil
}

func classPath(jars ...string) string { return strings.Join(jars, string(os.PathListSeparator)) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
