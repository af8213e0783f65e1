//go:build !fixed

package main

func (a *accounting) account(id int) {
	a.released <- id // LEAK
}
