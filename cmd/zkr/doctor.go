package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/doctor"
	"github.com/zkrecipes/zkrecipes/session"
)

func newDoctor(a *app) *cobra.Command {
	var adminPort int
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the servers and give advice",
		Long: `Examine each server of the connect string, the ensemble, and what this client
can rely on with its session timeout. Each finding comes with advice.

zkr opens two sessions on each server, measures reads and empty transactions,
and creates one ephemeral node to compare the clocks. It leaves nothing behind.
It also asks with the four-letter words srvr, mntr and conf, and asks the admin
server. What none of them shows is "unknown", with the setting that would show
it. All servers are examined at the same time, each for --connect-timeout at
most.

"at least" in front of a jute.maxbuffer means that the server accepts requests
as long as --max-buffer, and perhaps longer ones. The clock of an ensemble is
that of its leader. A rolling restart is one of all servers, one by one; it is
survived if what this client owns is not lost.

Exit codes: 0 if there are no findings except notes, 1 if there are, 2 for bad
usage, 3 if no server answers, 5 if the output cannot be written.`,
		Example: `  zkr doctor --server zk1:2181,zk2:2181,zk3:2181
  zkr doctor --timeout 4s --json
  zkr doctor --admin-port 9090`,
		Args: arguments(),
	}
	cmd.Flags().IntVar(&adminPort, "admin-port", 8080, "`port` of the admin servers, or 0")
	cmd.RunE = func(*cobra.Command, []string) error { return a.doctor(adminPort) }
	return cmd
}

func (a *app) doctor(adminPort int) error {
	cfg, err := a.doctorConfig(adminPort)
	if err != nil {
		return err
	}
	sig := a.watchSignals()
	defer sig.Close()
	report, err := doctor.Examine(sig.WaitContext(), cfg, func(s *doctor.Server) error { return a.print(serverText(s), s) })
	if err != nil {
		return signalOr(sig, err)
	}
	if err := cmp.Or(a.print(ensembleText(report.Ensemble), report.Ensemble), a.print(clientText(report.Client), report.Client)); err != nil {
		return err
	}
	return a.afterReport(report)
}

// doctorConfig returns the configuration that the flags ask for.
func (a *app) doctorConfig(adminPort int) (doctor.Config, error) {
	if adminPort < 0 || adminPort > 65535 {
		return doctor.Config{}, usage("--admin-port %d is no port", adminPort)
	}
	if a.connectTimeout <= 0 {
		return doctor.Config{}, usage("--connect-timeout %v is not positive", a.connectTimeout)
	}
	servers, chroot, err := session.ParseConnect(a.server)
	if err != nil {
		return doctor.Config{}, exit(exitUsage, err)
	}
	opts, err := a.sessionOptions()
	if err != nil {
		return doctor.Config{}, err
	}
	conf, err := a.tls.config()
	if err != nil {
		return doctor.Config{}, err
	}
	cfg := doctor.Config{
		Servers: servers, Chroot: chroot, Timeout: a.timeout, ConnectTimeout: a.connectTimeout, CloseTimeout: closeGrace,
		MaxBuffer: a.maxBuffer, AdminPort: adminPort, TLS: conf, Options: opts,
	}
	scheme, cred, err := a.credential()
	if scheme != "" {
		cfg.Auth = []doctor.Credential{{Scheme: scheme, Data: cred}}
	}
	return cfg, err
}

// afterReport prints how many findings there are and returns the exit.
func (a *app) afterReport(r *doctor.Report) error {
	failures, notes := 0, 0
	for _, f := range r.Findings() {
		if f.Severity == doctor.Note {
			notes++
		} else {
			failures++
		}
	}
	if !a.json {
		text := "healthy"
		if failures > 0 {
			text = plural(failures, "finding")
		}
		if notes > 0 {
			text += ", " + plural(notes, "note")
		}
		if _, err := fmt.Fprintln(a.stdout, text); err != nil {
			return err
		}
	}
	switch {
	case !r.Reachable():
		return exit(exitUnreachable, nil)
	case failures > 0:
		return exit(exitNo, nil)
	}
	return nil
}
