//! The worker: holds the traces and computes on them, so that the page never waits. It reads our own
//! format alone; what others write, the reader turns into that.

mod answer;

use atr_web::held::detect_own;
use atr_web::listen::{Program, listen};

fn main() {
    listen(Program {
        detect: detect_own,
        hands_on: false,
        answer: |store, request, hands| answer::answer(store, request, hands.now),
    });
}
