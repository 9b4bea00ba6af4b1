package node

// Check finds what would keep a node from starting, as far as can be told
// without starting it: settings, and the files that they name. It puts the
// defaults in, and writes nothing.
func Check(cfg *Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	n := &Node{cfg: *cfg}
	return n.loadSecrets()
}
