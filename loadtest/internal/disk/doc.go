// Package disk tells where a directory lies.
package disk
