// leakmap: a cache without a bound grows 1,000 values of 1 KB a second, while the rest of the program makes garbage.
package main

import (
	"fmt"
	"time"
)

const (
	valueBytes      = 1024
	valuesPerSecond = 1000
	tick            = 10 * time.Millisecond
)

type cache struct {
	values map[int][]byte
}

func (c *cache) put(key int) {
	c.values[key] = make([]byte, valueBytes) // GROWS rate=1024000
	c.values[key][0] = byte(key)
}

var sink []byte

// request makes about 20 MB/s of garbage of many sizes, the cache's own size among them.
func request(i int) {
	for size := 32; size <= 32768; size *= 2 {
		sink = make([]byte, size)
		sink[0] = byte(i)
	}
	for j := 0; j < 20; j++ {
		sink = make([]byte, valueBytes)
	}
}

func main() {
	c := &cache{values: map[int][]byte{}}
	go func() {
		for i := 0; ; i++ {
			request(i)
			time.Sleep(4 * time.Millisecond)
		}
	}()
	start := time.Now()
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	for put := 0; ; {
		for due := int(time.Since(start) * valuesPerSecond / time.Second); put < due; put++ {
			c.put(put)
		}
		time.Sleep(tick)
	}
}
