// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// value is a parameter after coercion: absent, null, or of its type.
type value[T any] struct {
	given bool
	null  bool
	is    T
}

// some returns a value that is given.
func some[T any](v T) value[T] { return value[T]{given: true, is: v} }

// null returns a given null.
func null[T any]() value[T] { return value[T]{given: true, null: true} }

// pointer is a value as a nullable column holds it.
func (v value[T]) pointer() *T {
	if v.null {
		return nil
	}
	is := v.is
	return &is
}

// beyond stands for an integer that no database column holds; no record has it.
const beyond = -1 << 62

// integer reads a decimal integer as Ruby's Integer() does: a sign, single underscores and outer white space are fine.
func integer(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || digits[0] == '_' || strings.HasSuffix(digits, "_") ||
		strings.Contains(digits, "__") {
		return 0, false
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), 10)
	if !ok {
		return 0, false
	}
	if !n.IsInt64() {
		return beyond, true
	}
	return n.Int64(), true
}

// asInteger coerces to Integer. Fractions of numbers are cut off, those of text are refused.
func asInteger(raw any) (value[int64], bool) {
	switch v := raw.(type) {
	case nil:
		return null[int64](), true
	case string:
		if v == "" {
			return null[int64](), true
		}
		n, ok := integer(v)
		return some(n), ok
	case json.Number:
		if n, ok := integer(v.String()); ok {
			return some(n), true
		}
		f, _, err := big.ParseFloat(v.String(), 10, 256, big.ToZero)
		if err != nil {
			return value[int64]{}, false
		}
		n, _ := f.Int(nil)
		if !n.IsInt64() {
			return some[int64](beyond), true
		}
		return some(n.Int64()), true
	}
	return value[int64]{}, false
}

// asBoolean coerces to Boolean.
func asBoolean(raw any) (value[bool], bool) {
	text := ""
	switch v := raw.(type) {
	case nil:
		return null[bool](), true
	case bool:
		return some(v), true
	case json.Number:
		text = v.String()
	case string:
		if v == "" {
			return null[bool](), true
		}
		text = strings.ToLower(v)
	}
	switch text {
	case "true", "t", "1", "yes", "y", "on":
		return some(true), true
	case "false", "f", "0", "no", "n", "off":
		return some(false), true
	}
	return value[bool]{}, false
}

// asString coerces to String. Numbers and booleans are written out; lists and hashes are refused.
func asString(raw any) (value[string], bool) {
	switch v := raw.(type) {
	case nil:
		return null[string](), true
	case string:
		return some(v), true
	case bool:
		return some(strconv.FormatBool(v)), true
	case json.Number:
		return some(numberText(v)), true
	}
	return value[string]{}, false
}

// numberText writes a number as Ruby does: a fraction always has a digit.
func numberText(n json.Number) string {
	text := n.String()
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	f, err := n.Float64()
	if err != nil {
		return text
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// strip removes outer white space as Ruby does, the null character included.
func strip(text string) string { return strings.Trim(text, "\t\n\v\f\r \x00") }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
