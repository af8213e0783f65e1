//go:build fixed
// +build fixed

package main

import "time"

func (c *client) arm() {
	time.AfterFunc(time.Second, func() {
		c.calls++
		if !c.closed {
			c.arm()
		}
	})
}
