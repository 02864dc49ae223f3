//! The paper: mounts over the static page in `index.html`.

mod page;

fn main() {
    page::start();
}
