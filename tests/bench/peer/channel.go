// The channels of runtime_channel_bench.cpp in Go, for machines that have it.
//
// Takes --samples, --rounds and --round-ms as rounds.h does, and prints its sample lines.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func returnBalls(in, out chan int, n int) {
	for i := 0; i < n; i++ {
		out <- <-in + 1
	}
}

func pingPong(n int) time.Duration {
	there, back := make(chan int), make(chan int)
	go returnBalls(there, back, n+1)
	began := time.Now()
	there <- 0
	returnBalls(back, there, n)
	elapsed := time.Since(began)
	<-back
	return elapsed
}

func stream(n, capacity int, receive func(chan int) int) time.Duration {
	channel, sum := make(chan int, capacity), make(chan int)
	go func() { sum <- receive(channel) }()
	began := time.Now()
	for i := 0; i < n; i++ {
		channel <- i
	}
	close(channel)
	if <-sum != n*(n-1)/2 {
		os.Exit(1)
	}
	return time.Since(began)
}

func sumOf(channel chan int) int {
	sum := 0
	for value := range channel {
		sum += value
	}
	return sum
}

func sumBySelect(channel chan int) int {
	silent, sum := make(chan int), 0
	for {
		select {
		case value := <-silent:
			sum += value
		case value, isOpen := <-channel:
			if !isOpen {
				return sum
			}
			sum += value
		}
	}
}

// How many operations last a round.
func fillRound(cost func(int) time.Duration, round time.Duration) int {
	for n := 1024; ; n *= 4 {
		if elapsed := cost(n); elapsed > round/8 {
			return 1 + int(int64(n)*int64(round)/int64(elapsed))
		}
	}
}

func main() {
	flag.Bool("samples", true, "the only form of output")
	rounds := flag.Int("rounds", 11, "")
	roundMs := flag.Float64("round-ms", 50, "")
	flag.Parse()

	sides := []struct {
		what, name string
		cost       func(int) time.Duration
	}{
		{"channel round trip", "Go", pingPong},
		{"channel stream, room for 128", "Go", func(n int) time.Duration { return stream(n, 128, sumOf) }},
		{"channel stream, room for 128", "Go select", func(n int) time.Duration { return stream(n, 128, sumBySelect) }},
		{"channel stream, rendezvous", "Go", func(n int) time.Duration { return stream(n, 0, sumOf) }},
		{"channel stream, rendezvous", "Go select", func(n int) time.Duration { return stream(n, 0, sumBySelect) }},
	}
	for _, side := range sides {
		n := fillRound(side.cost, time.Duration(*roundMs*float64(time.Millisecond)))
		fmt.Printf("%s\tpeer\t%s\tns", side.what, side.name)
		for i := 0; i < *rounds; i++ {
			fmt.Printf("\t%.4g", float64(side.cost(n).Nanoseconds())/float64(n))
		}
		fmt.Println()
	}
}
