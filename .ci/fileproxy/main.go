// Command fileproxy writes tagged modules of a git repository to a folder that
// the go command can use as a proxy, GOPROXY=file://DIR. It packs them as the go
// command does, so a test can install them as users will.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: fileproxy REPOSITORY DIR VERSION MODULE-FOLDER...")
		os.Exit(2)
	}
	repo, dir, version := os.Args[1], os.Args[2], os.Args[3]
	for _, folder := range os.Args[4:] {
		if err := publish(repo, dir, version, folder); err != nil {
			fmt.Fprintf(os.Stderr, "fileproxy: %s: %v\n", folder, err)
			os.Exit(1)
		}
	}
}

// publish writes one module, whose go.mod lies in folder ("." for the root).
func publish(repo, dir, version, folder string) error {
	tag := path.Join(folder, version)
	gomod, err := exec.Command("git", "-C", repo, "show", tag+":"+path.Join(folder, "go.mod")).Output()
	if err != nil {
		return fmt.Errorf("git show %s: %w", tag, err)
	}
	v := module.Version{Path: modfile.ModulePath(gomod), Version: version}
	escaped, err := module.EscapePath(v.Path)
	if err != nil {
		return err
	}
	base := filepath.Join(dir, escaped, "@v")
	if err := os.MkdirAll(base, 0o777); err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(base, version+".zip"))
	if err != nil {
		return err
	}
	defer archive.Close()
	if folder == "." {
		folder = ""
	}
	if err := zip.CreateFromVCS(archive, v, repo, tag, folder); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Now().UTC()})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		version + ".mod": gomod, version + ".info": info, "list": []byte(version + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(base, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
