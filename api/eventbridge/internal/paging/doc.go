// Package paging cuts lists into pages, by the Limit and NextToken of a request.
package paging
