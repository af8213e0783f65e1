//go:build !fixed
// +build !fixed

package main

func (a *accounting) account(one *buffer) {
	a.released <- one.id // LEAK
}
