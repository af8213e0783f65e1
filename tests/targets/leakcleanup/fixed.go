//go:build fixed

package main

func (a *accounting) account(id int) {
	select {
	case a.released <- id:
	default:
	}
}
