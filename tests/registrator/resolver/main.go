// Resolves a service with etcd's own resolver for gRPC and prints each address once it is known; then each endpoint as the
// manager of endpoints reads it, with its metadata.
//
//	resolver http://127.0.0.1:2379 etcd:///grpc/web 2
//
// It ends when so many addresses are there.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	etcdresolver "go.etcd.io/etcd/client/v3/naming/resolver"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

type conn struct{ states chan resolver.State }

func (c conn) UpdateState(state resolver.State) error { c.states <- state; return nil }
func (c conn) ReportError(err error)                  { fail(err) }
func (c conn) NewAddress([]resolver.Address)          {}
func (c conn) ParseServiceConfig(string) *serviceconfig.ParseResult {
	return &serviceconfig.ParseResult{}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// list prints what the manager of endpoints reads, with metadata.
func list(client *clientv3.Client, target string) {
	manager, err := endpoints.NewManager(client, target)
	if err != nil {
		fail(err)
	}
	all, err := manager.List(context.Background())
	if err != nil {
		fail(err)
	}
	var lines []string
	for key, endpoint := range all {
		lines = append(lines, fmt.Sprintf("%s %s %v", key, endpoint.Addr, endpoint.Metadata))
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}

func main() {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Args[1]}, DialTimeout: 5 * time.Second})
	if err != nil {
		fail(err)
	}
	target, err := url.Parse(os.Args[2])
	if err != nil {
		fail(err)
	}
	wanted, err := strconv.Atoi(os.Args[3])
	if err != nil {
		fail(err)
	}
	builder, err := etcdresolver.NewBuilder(client)
	if err != nil {
		fail(err)
	}
	states := conn{make(chan resolver.State, 16)}
	if _, err = builder.Build(resolver.Target{URL: *target}, states, resolver.BuildOptions{}); err != nil {
		fail(err)
	}
	limit := time.After(20 * time.Second)
	for {
		select {
		case state := <-states.states:
			var lines []string
			for _, endpoint := range state.Endpoints {
				for _, address := range endpoint.Addresses {
					lines = append(lines, address.Addr)
				}
			}
			if len(lines) == wanted {
				sort.Strings(lines)
				for _, line := range lines {
					fmt.Println(line)
				}
				list(client, strings.TrimPrefix(target.Path, "/"))
				return
			}
		case <-limit:
			fail(fmt.Errorf("%d addresses did not come within 20 s", wanted))
		}
	}
}
