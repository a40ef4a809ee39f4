package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A slow observer, the hook and an observer of Changed see all states of a session in order.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var called []session.Status
		s := serve(t)
		z := open(t, s, session.WithHooks(session.Hooks{State: func(st session.Status) { called = append(called, st) }}))

		var slow, quick []session.Status
		var wg sync.WaitGroup
		wg.Go(func() {
			for st := range z.Watch(context.Background()) {
				slow = append(slow, st)
				time.Sleep(time.Hour)
			}
		})
		wg.Go(func() {
			for st := range z.Watch(context.Background()) {
				quick = append(quick, st)
			}
		})
		synctest.Wait()

		s.Stop()
		synctest.Wait()
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		await(t, timeout, "connected again", func() bool { return z.Status().State == session.Connected })
		time.Sleep(timeout)
		s.Expire(z.Status().ID)
		await(t, timeout, "next epoch", func() bool { st := z.Status(); return st.Epoch == 2 && st.State == session.Connected })
		time.Sleep(timeout)
		heal := s.PartitionAll()
		await(t, 2*timeout, "lost", func() bool { return z.Status().Epoch == 3 })
		heal()
		await(t, 2*timeout, "third epoch", func() bool { return z.Status().State == session.Connected })
		if err := z.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()

		want := []string{
			"1 connected", "1 suspended", "1 connected",
			"1 suspended", "1 lost", "2 connecting", "2 connected", // expired by the server
			"2 suspended", "2 lost", "3 connecting", "3 connected", // ended at the deadline
			"3 lost", "3 closed",
		}
		if diff := cmp.Diff(append([]string{"1 connecting"}, want...), states(called)); diff != "" {
			t.Errorf("the hook was called otherwise (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, states(quick)); diff != "" {
			t.Errorf("the quick observer saw otherwise (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(states(quick), states(slow)); diff != "" {
			t.Errorf("the slow observer saw otherwise (-quick +slow):\n%s", diff)
		}
		for _, st := range called {
			if (st.Err == nil) != (st.State == session.Connected) && st.State != session.Connecting {
				t.Errorf("%v with the error %v", st.State, st.Err)
			}
			if st.State == session.Lost && !errors.Is(st.Err, session.ErrExpired) && !errors.Is(st.Err, session.ErrClosed) {
				t.Errorf("lost with the error %v", st.Err)
			}
			if (st.State == session.Connected || st.State == session.Suspended) && (st.ID == 0 || st.Server != "zk1:2181" || st.Deadline.IsZero()) {
				t.Errorf("%+v", st)
			}
		}
	})
}

// states returns epoch and state of each status, without those that report only another
// failed attempt.
func states(list []session.Status) (names []string) {
	for _, st := range list {
		name := string(rune('0'+st.Epoch)) + " " + st.State.String()
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return names
}

func TestStateString(t *testing.T) {
	for st, want := range map[session.State]string{
		session.Connecting: "connecting", session.Connected: "connected", session.Suspended: "suspended",
		session.Lost: "lost", session.Closed: "closed", session.Closed + 1: "state 5",
	} {
		if got := st.String(); got != want {
			t.Errorf("%d is %q, want %q", st, got, want)
		}
	}
}

// Changed is closed at the next change, and Watch ends with its context.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		changed := z.Changed()
		synctest.Wait()
		select {
		case <-changed:
			t.Fatal("closed without a change")
		default:
		}
		s.Stop()
		<-changed
		if st := z.Status(); st.State != session.Suspended {
			t.Errorf("status %+v", st)
		}
		n := 0
		for range z.Watch(testkit.Within(t, time.Second)) {
			n++
		}
		if n == 0 {
			t.Error("Watch did not yield the current status")
		}
		for range z.Watch(t.Context()) {
			break
		}
	})
}

// Ready blocks until its context is done, and its error says why there was no connection.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		if err := z.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		suspended := epoch(t, z).Suspended()
		s.Stop()
		<-suspended
		synctest.Wait()
		err := z.Ready(testkit.Within(t, time.Second))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if err == nil || !strings.Contains(err.Error(), "suspended, not connected to ZooKeeper") {
			t.Errorf("error is %q", err)
		}
		_, _, err = z.Get(testkit.Within(t, time.Second), "/")
		testkit.WantError(t, err, context.DeadlineExceeded)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := z.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// The deadline moves with every reply and, while KeepProving is in effect, with every proof.
func TestDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		if left := time.Until(z.Status().Deadline); left != timeout {
			t.Errorf("%v left at the start", left)
		}
		for i := range 20 {
			time.Sleep(timeout / 4)
			if left := time.Until(z.Status().Deadline); left < timeout/2 || left > timeout {
				t.Errorf("%d: %v left without a hold", i, left)
			}
		}
		hold(t, epoch(t, z))
		time.Sleep(timeout + time.Millisecond)
		for i := range 20 {
			time.Sleep(timeout / 4)
			// Nine tenths from the last proof but one.
			if left := time.Until(z.Status().Deadline); left < timeout/4 || left > timeout*9/10 {
				t.Errorf("%d: %v left with a hold", i, left)
			}
		}
		if z.Timeout() != timeout {
			t.Errorf("timeout %v", z.Timeout())
		}
	})
}

// The server decides the timeout.
func TestTimeoutIsNegotiated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t, zktest.WithTimeouts(2*time.Second, 20*time.Second))
		for asked, want := range map[time.Duration]time.Duration{
			time.Second: 2 * time.Second, 7 * time.Second: 7 * time.Second, time.Minute: 20 * time.Second,
		} {
			if got := open(t, s, session.WithTimeout(asked)).Timeout(); got != want {
				t.Errorf("asked for %v: granted %v, want %v", asked, got, want)
			}
		}
	})
}

// Hooks.Request gets each request with its size, its duration and its error.
func TestRequestHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var infos []session.RequestInfo
		s := serve(t)
		z := open(t, s, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
			mu.Lock()
			defer mu.Unlock()
			infos = append(infos, r)
		}}), session.WithChroot("/app"))
		take := func() []session.RequestInfo {
			mu.Lock()
			defer mu.Unlock()
			taken := infos
			infos = nil
			return taken
		}
		if _, _, err := z.Create(t.Context(), "/n", []byte("data"), session.Parents()); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range take() {
			names = append(names, r.Op+" "+r.Path)
			if r.Sent < 12 || r.Received < 20 || r.Duration < 0 {
				t.Errorf("%+v", r)
			}
		}
		if diff := cmp.Diff([]string{"create2 /app/n", "createContainer /app", "create2 /app/n"}, names); diff != "" {
			t.Error(diff)
		}
		z.Get(t.Context(), "/missing")
		if r := take()[0]; r.Op != "getData" || r.Path != "/app/missing" || r.Err != session.ErrNoNode ||
			r.Sent != 4+8+4+len("/app/missing")+1 || r.Received != 4+16 {
			t.Errorf("%+v", r)
		}
		schedule(s, 1, zktest.Hang, 0, zktest.Pass)
		z.Get(testkit.Within(t, 10*timeout), "/n")
		switch r := take()[0]; {
		case r.Op != "getData" || r.Err == nil || r.Received != 0 || r.Duration < timeout/3 || r.Duration > timeout:
			t.Errorf("%+v", r)
		}
	})
}

// A session logs nothing unless it has a logger.
func TestLogging(t *testing.T) {
	live := func(opts ...session.Option) {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z := open(t, s, opts...)
			s.Expire(z.Status().ID)
			await(t, timeout, "next epoch", func() bool { return z.Status().Epoch == 2 })
			s.Stop()
			time.Sleep(10 * timeout)
		})
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, stdout, old := os.Stderr, os.Stdout, slog.Default()
	os.Stderr, os.Stdout = w, w
	slog.SetDefault(slog.New(slog.NewTextHandler(w, nil)))
	live()
	live(session.WithLogger(nil))
	os.Stderr, os.Stdout = stderr, stdout
	slog.SetDefault(old)
	w.Close()
	if out, err := io.ReadAll(r); err != nil || len(out) > 0 {
		t.Errorf("it says %q, %v", out, err)
	}

	var log bytes.Buffer
	live(session.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for _, want := range []string{"zookeeper: epoch ended", "zookeeper: cannot connect"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// One thing has one attribute in all lines of the log: the ZooKeeper session is "session",
// with the id in hexadecimal as servers write it, and the reason is "err".
func TestLogAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := serve(t)
		z := open(t, s, session.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		e := epoch(t, z)
		hold(t, e)
		id := fmt.Sprintf("session=0x%x", e.ID())
		s.Stop()
		testkit.AwaitDone(t, e.Context())
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		await(t, time.Minute, "old session closed", func() bool { return !slices.Contains(s.Sessions(), e.ID()) })
		if err := z.Close(t.Context()); err != nil { // waits until nothing is logged any more
			t.Fatal(err)
		}
		for message, wants := range map[string][]string{
			"connected":          {id, "server="},
			"connection lost":    {id, "server=", "err="},
			"cannot connect":     {"server=", "err="},
			"epoch ended":        {id, "epoch=1", "err="},
			"old session closed": {id, "server="},
		} {
			line := ""
			for l := range strings.Lines(log.String()) {
				if line == "" && strings.Contains(l, `msg="zookeeper: `+message+`"`) {
					line = l
				}
			}
			for _, want := range wants {
				if !strings.Contains(line, " "+want) {
					t.Errorf("the line of %q has no %s: %s", message, want, line)
				}
			}
		}
	})
}
