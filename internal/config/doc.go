// Package config is the one place where flags, the environment, the YAML file
// and the defaults meet, and where the result is checked.
//
// It knows nothing of what the settings do. Start with Config in config.go;
// Settings in settings.go is the table that names each one once for all
// sources, and Loader in load.go applies them in their order.
package config
