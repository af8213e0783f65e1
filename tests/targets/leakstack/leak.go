//go:build !fixed
// +build !fixed

package main

func walk(at *node, depth, pace int) int {
	var seen [96]int
	step(pace)
	seen[depth%96] = depth
	return walk(at.next, depth+1, pace) + seen[0] // LEAK
}
