//! What tells a browser to be careful with a service's pages.
