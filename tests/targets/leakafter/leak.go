//go:build !fixed
// +build !fixed

package main

import "time"

func (c *client) arm() {
	time.AfterFunc(time.Second, func() { // LEAK rate=10
		c.calls++
		c.arm()
	})
}
