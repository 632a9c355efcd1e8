// Package endpoint plays the part of the webhooks that a server delivers to:
// healthy, hanging or down. It knows nothing of what is delivered.
package endpoint
