mod cli {
    pub mod check;
}
mod config;

fn main() {}
