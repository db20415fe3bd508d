// Package browser tests the page of a minitcp daemon in headless Chromium. It is a module of its own because only these
// tests need a driver for the browser.
//
//	cd scripts/browser && go test .
//
// The tests need root, /dev/net/tun, chromium, curl and ip. With SCREENSHOTS=DIR, they write pictures there.
package browser
