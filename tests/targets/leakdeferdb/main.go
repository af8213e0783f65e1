// leakdeferdb MODE: a worker that never returns takes a connection of a database/sql pool for each job and defers giving it
// back; -tags fixed puts the loop's body into a function of its own.
//
// grow: 10 jobs a second, from a pool without a limit.
// wait: a pool of 20, all of them taken before READY; then 5 requests a second wait for one, as the worker does.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	jobsPerSecond     = 10
	requestsPerSecond = 5
	poolSize          = 20
)

// A database without any data.
type memoryDriver struct{}
type memoryConn struct{ buffer [512]byte }

func (memoryDriver) Open(string) (driver.Conn, error)   { return &memoryConn{}, nil }
func (*memoryConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no statements") }
func (*memoryConn) Close() error                        { return nil }
func (*memoryConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c *memoryConn) Ping(context.Context) error        { c.buffer[0]++; return nil }

type worker struct {
	pool *sql.DB
	done int
}

func (w *worker) use(job int) *sql.Conn {
	conn, err := w.pool.Conn(context.Background())
	if err != nil {
		panic(err)
	}
	if err := conn.PingContext(context.Background()); err != nil {
		panic(err)
	}
	w.done += job
	return conn
}

func request(pool *sql.DB) {
	if err := pool.PingContext(context.Background()); err != nil {
		panic(err)
	}
}

func serve(pool *sql.DB) {
	for start, i := time.Now(), 0; ; i++ {
		go request(pool) // WAITS rate=5
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}

func main() {
	busy.Start()
	sql.Register("memory", memoryDriver{})
	pool, err := sql.Open("memory", "")
	if err != nil {
		panic(err)
	}
	waits := len(os.Args) > 1 && os.Args[1] == "wait"
	jobs := make(chan int, poolSize+1)
	if waits {
		pool.SetMaxOpenConns(poolSize)
		for i := 0; i <= poolSize; i++ {
			jobs <- i
		}
	}
	go (&worker{pool: pool}).run(jobs)
	time.AfterFunc(2*time.Second, func() { fmt.Println("READY") })
	if waits {
		time.Sleep(500 * time.Millisecond)
		serve(pool)
	}
	for start, i := time.Now(), 0; ; i++ {
		jobs <- i
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / jobsPerSecond)))
	}
}
