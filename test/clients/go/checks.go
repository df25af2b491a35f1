package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

var (
	done = map[string]bool{}
	// held counts the checks.
	held = 0
)

// did tells what was done to a resource, once what came of it was read.
func did(service, resource string, verbs ...string) {
	for _, verb := range verbs {
		line := fmt.Sprintf("did %s %s %s", service, resource, verb)
		if done[line] {
			fail("twice: %s", line)
		}
		done[line] = true
		fmt.Println(line)
	}
}

// fail says where a check did not hold and ends the program.
func fail(format string, values ...any) {
	place := "?"
	for skip := 1; ; skip++ {
		_, file, line, known := runtime.Caller(skip)
		if !known {
			break
		}
		if name := filepath.Base(file); name != "checks.go" {
			place = fmt.Sprintf("%s:%d", name, line)
			break
		}
	}
	fmt.Printf("FAIL %s: %s\n", place, fmt.Sprintf(format, values...))
	os.Exit(1)
}

// must is what a call answered; a refusal ends the program.
func must[T any](value T, err error) T {
	if err != nil {
		fail("wanted an answer, found: %v", err)
	}
	return value
}

func equal[T any](what string, found, wanted T) {
	held++
	if !reflect.DeepEqual(found, wanted) {
		fail("%s: found %#v, wanted %#v", what, found, wanted)
	}
}

func contains[T comparable](what string, found []T, wanted ...T) {
	held++
	for _, one := range wanted {
		if !slices.Contains(found, one) {
			fail("%s: found %#v, wanted %#v among them", what, found, one)
		}
	}
}

// refused wants AWS's error of that code.
func refused[T any](_ T, err error) func(code string) {
	return func(code string) {
		var apiError smithy.APIError
		if !errors.As(err, &apiError) {
			fail("wanted %s, found %v", code, err)
		}
		equal("the refusal", apiError.ErrorCode(), code)
	}
}

type paginator[Output, Options any] interface {
	HasMorePages() bool
	NextPage(context.Context, ...func(*Options)) (*Output, error)
}

// listed is all of a list, which must take at least two pages.
func listed[Output, Options, Item any](
	ctx context.Context, pages paginator[Output, Options], itemsOf func(*Output) []Item,
) []Item {
	var items []Item
	count := 0
	for pages.HasMorePages() {
		items = append(items, itemsOf(must(pages.NextPage(ctx)))...)
		count++
	}
	if count < 2 {
		fail("found %d pages, wanted at least two", count)
	}
	return items
}

// mapped is one thing of each item.
func mapped[Item, Value any](items []Item, valueOf func(Item) Value) []Value {
	values := make([]Value, 0, len(items))
	for _, item := range items {
		values = append(values, valueOf(item))
	}
	return values
}

// waitFor reads until it finds what is wanted, for twenty seconds.
func waitFor(what string, read func() string, wanted string) {
	end := time.Now().Add(20 * time.Second)
	found := read()
	for found != wanted && time.Now().Before(end) {
		time.Sleep(100 * time.Millisecond)
		found = read()
	}
	equal(what, found, wanted)
}

// sdkLogger ends the program where the SDK warns or asks again. The rest of what it logs is for
// people who debug: that a refusal is not asked for again, for one.
type sdkLogger struct{}

func (sdkLogger) Logf(classification logging.Classification, format string, values ...any) {
	if classification == logging.Warn || strings.HasPrefix(format, "retrying") {
		fail("the SDK says: %s", fmt.Sprintf(format, values...))
	}
}
