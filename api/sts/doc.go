// Package sts serves the one operation of the AWS Security Token Service that
// tools call before anything else: GetCallerIdentity. Every other action is
// refused by name. The package keeps no state and knows no other service.
package sts
