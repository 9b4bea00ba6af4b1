package peers

import (
	"syscall"

	"github.com/tollgate/tollgate/bench/process"
)

// proxyConfig is what the configuration of a proxy is made of.
type proxyConfig struct {
	Listen, Origin string
	Dir            string
	Threads        int
}

func startNginx(l *launch) error {
	return l.startProxy(nginx, "nginx.conf", func(config string) process.Command {
		// Its workers outlive a master that is killed, not one that is told to stop.
		return process.Command{Args: []string{"-p", l.Dir, "-e", "stderr", "-c", config}, Orphaned: syscall.SIGTERM}
	})
}

func startHAProxy(l *launch) error {
	return l.startProxy(haproxy, "haproxy.cfg", func(config string) process.Command {
		return process.Command{Args: []string{"-db", "-f", config}}
	})
}

func startCaddy(l *launch) error {
	return l.startProxy(caddy, "Caddyfile", func(config string) process.Command {
		return process.Command{
			Args: []string{"run", "--config", config, "--adapter", "caddyfile"},
			Env:  []string{"HOME=" + l.Dir, "XDG_DATA_HOME=" + l.Dir, "XDG_CONFIG_HOME=" + l.Dir},
		}
	})
}

// startProxy starts one instance of a proxy by a configuration of that name.
func (l *launch) startProxy(program Program, name string, command func(config string) process.Command) error {
	listen, err := process.FreeAddress()
	if err != nil {
		return err
	}
	config, err := l.config(name, name+".tmpl", proxyConfig{Listen: listen, Origin: l.Origin, Dir: l.Dir, Threads: threads})
	if err != nil {
		return err
	}
	p, err := l.run(program, program.Name, command(config))
	if err != nil {
		return err
	}
	l.running.Addresses = []string{listen}
	return p.AwaitOK(l.ctx, startPatience, "http://"+listen+proxyPath)
}
