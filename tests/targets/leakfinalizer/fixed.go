//go:build fixed
// +build fixed

package main

func (a *accounting) account(one *buffer) {
	select {
	case a.released <- one.id:
	default:
	}
}
