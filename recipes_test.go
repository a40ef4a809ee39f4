package zkrecipes_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/systems"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run the systems that articles on ZooKeeper and Go describe.
// Their code is in internal/test/systems. The environment variable ZKTEST selects the
// servers; see zktest.Target.

func TestMain(m *testing.M) { systems.Main(m) }

// Leader election with one node. The processes create the ephemeral node
// /ElectMasterDemo/master. The one that succeeds is master and does its work; the
// others watch the node and try again when it is deleted. The tests close masters, kill
// them, stop their servers, and run the article's own program, which uses go-zookeeper,
// beside ours.
func TestElectMaster(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	systems.ElectMaster(t, zktest.Open(t))
}

func TestElectMasterWithForeignProgram(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	systems.ElectMasterWithForeignProgram(t, zktest.Open(t))
}

func TestElectMasterOfThree(t *testing.T) {
	systems.ElectMasterOfThree(t, zktest.Open(t))
}

func TestElectMasterWhileServersStop(t *testing.T) {
	systems.ElectMasterWhileServersStop(t, zktest.Open(t))
}

// The recipes of the IBM developerWorks article, each with programs that use
// go-zookeeper beside ours.
//
// Naming: hierarchical names, which one client can bind, and unique numbers.
func TestNamesAndNumbers(t *testing.T) {
	t.Parallel()
	systems.NamesAndNumbers(t, zktest.Open(t))
}

// Configuration: many machines watch one node and apply its value.
func TestConfigurationOfManyMachines(t *testing.T) {
	t.Parallel()
	systems.ConfigurationOfManyMachines(t, zktest.Open(t))
}

// Group membership: members are ephemeral sequential nodes. Every member learns of
// joins and deaths, and the oldest is the master.
func TestGroupAndMaster(t *testing.T) {
	t.Parallel()
	systems.GroupAndMaster(t, zktest.Open(t))
}

// Exclusive lock: contenders are ephemeral sequential nodes. Each waits for the one
// before it.
func TestExclusiveLock(t *testing.T) {
	t.Parallel()
	systems.ExclusiveLock(t, zktest.Open(t))
}

// Synchronizing queue, which is a barrier: members create /synchronizing/member_i and
// wait until all are there and /synchronizing/start exists.
func TestSynchronizingQueue(t *testing.T) {
	t.Parallel()
	systems.SynchronizingQueue(t, zktest.Open(t))
}

// FIFO queue: producers create queue_i, and consumers take the smallest.
func TestFIFOQueue(t *testing.T) {
	t.Parallel()
	systems.FIFOQueue(t, zktest.Open(t))
}

// The article's election program: processes 0, 1 and 2, each at another server of the
// ensemble. The leader is stopped, and another process takes over.
func TestElectionOfThreeProcesses(t *testing.T) {
	t.Parallel()
	systems.ElectionOfThreeProcesses(t, zktest.Open(t))
}

// A pseudo-cluster: three servers on one machine. Data written through one server is
// read through another.
func TestPseudoCluster(t *testing.T) {
	systems.PseudoCluster(t, zktest.Open(t))
}

// A service registry on the pseudo-cluster: Go Micro services and ours register under
// /micro-registry, and clients of both kinds find and call them.
func TestGoMicroRegistry(t *testing.T) {
	systems.GoMicroRegistry(t, zktest.Open(t))
}

// Master and backups: they register in order, as master-00001 and master-00002. The
// first is master. When it dies, the second takes over. The first, started again,
// registers as master-00003 and stays backup.
func TestMasterAndBackups(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	systems.MasterAndBackups(t, zktest.Open(t))
}

// Master, workers and clients of the ZooKeeper book. Clients create /tasks/task-N, the
// master assigns each task to a worker by creating /assign/WORKER/task-N, and the
// worker creates /tasks/task-N/status when it is done. Operators play each part with
// zkCli.sh while programs play the others. It runs on a real ensemble only.
func TestMasterWorkerClient(t *testing.T) {
	t.Parallel()
	systems.MasterWorkerClient(t, zktest.Open(t))
}
