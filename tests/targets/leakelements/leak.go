//go:build !fixed
// +build !fixed

package main

func bestOf(batch []*record) []*record {
	return batch[1:3:3]
}
