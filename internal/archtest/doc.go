// Package archtest holds the house rules that a compiler cannot check: which
// room may import which, who owns each third-party module, where comments and
// sizes must be. It has tests only; imports_test.go is where a new package or
// module is entered.
package archtest
