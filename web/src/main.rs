//! The paper: mounts over the static page in `index.html`.

#![allow(unreachable_pub, reason = "the component macro makes its items public")]

mod page;

fn main() {
    page::start();
}
