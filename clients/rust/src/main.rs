//! Makes the checks of a configuration with clients in Rust, and prints what each saw.

mod adbc;
mod flightsql;
mod forms;

use serde_json::{Value, json};

/// What comes of a check that did not come to its end.
pub enum Failed {
    /// The client has no call for it, for this reason.
    Cannot(&'static str),
    /// An error, with gRPC's word for its code where that is told.
    Error { code: Option<String>, text: String },
}

pub type Seen = Result<Value, Failed>;

impl Failed {
    /// An error of which no code is told.
    pub fn told(error: impl std::fmt::Display) -> Self {
        Failed::Error { code: None, text: error.to_string() }
    }

    /// The form of an error.
    pub fn form(&self) -> Value {
        match self {
            Failed::Cannot(reason) => json!({"cannot": reason}),
            Failed::Error { code, text } => json!({"error": {"code": code, "text": text}}),
        }
    }
}

/// gRPC's word for the name of a code, `InvalidArgument` say.
pub fn code_word(code: tonic::Code) -> String {
    let mut word = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_uppercase());
    }
    word
}

/// The most memory that the process ever had, in MB.
pub fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status of the process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the most memory");
    let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes / 1024
}

/// An argument of a check that is a text.
pub fn text<'a>(check: &'a Value, name: &str) -> &'a str {
    check[name].as_str().unwrap_or_default()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let driver = arguments.next().expect("the file of the ADBC driver");
    let file = std::fs::read_to_string(arguments.next().expect("a configuration")).expect("a configuration");
    let config: Value = serde_json::from_str(&file).expect("JSON");
    let clients: [(&str, Box<dyn Fn(&Value) -> Seen>); 2] = [
        ("rust arrow-flight", Box::new(flightsql::client(config.clone()))),
        ("rust adbc", Box::new(adbc::client(config.clone(), driver))),
    ];
    for (name, make) in &clients {
        for check in config["checks"].as_array().expect("checks") {
            let line = match make(check) {
                Ok(seen) => json!({"client": name, "check": check["name"], "seen": seen}),
                Err(Failed::Cannot(reason)) => json!({"client": name, "check": check["name"], "cannot": reason}),
                Err(error) => json!({"client": name, "check": check["name"], "seen": error.form()}),
            };
            println!("{line}");
        }
    }
}
