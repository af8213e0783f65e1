//go:build fixed
// +build fixed

package main

func bestOf(batch []*record) []*record {
	return append([]*record(nil), batch[1:3]...)
}
