//! What the page lets a browser do.

use althing::testing::Assembly;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::Page;

fn page() -> Page {
    Page::of_assembly(&Assembly::of(&[1, 1]))
}

#[test]
fn only_the_pages_own_script_and_style_are_allowed() {
    let page = page();
    let policy = page.all("head > meta[http-equiv=Content-Security-Policy]");
    let policy = policy[0].attr("content").unwrap();
    let directives: Vec<&str> = policy.split("; ").collect();
    let inline = |selector: &str| {
        let found = page.all(selector);
        assert_eq!(found.len(), 1, "{selector}");
        // As it stands in the file: the hash is over these very bytes.
        let text: String = found[0].text().collect();
        BASE64.encode(Sha256::digest(text.as_bytes()))
    };
    assert_eq!(
        directives,
        [
            "default-src 'none'".to_owned(),
            format!("script-src 'sha256-{}'", inline("script")),
            format!("style-src 'sha256-{}'", inline("style")),
            "base-uri 'none'".to_owned(),
            "form-action 'none'".to_owned(),
            "require-trusted-types-for 'script'".to_owned(),
            "trusted-types 'none'".to_owned(),
        ]
    );
    // It holds for what follows it only.
    let head = &page.text[..page.text.find("Content-Security-Policy").unwrap()];
    assert!(!head.contains("<style") && !head.contains("<script"));
}

#[test]
fn nothing_is_loaded_and_nothing_is_styled_or_scripted_in_an_attribute() {
    let page = page();
    for element in page.all("*") {
        for (name, value) in element.value().attrs() {
            assert!(!name.starts_with("on") && name != "style", "{name}");
            assert!(
                !matches!(name, "src" | "srcset" | "action" | "formaction"),
                "{name}"
            );
            assert!(name != "href" || value.starts_with('#'), "{value}");
        }
    }
    for elsewhere in ["@import", "url(", "http://", "https://", "@font-face"] {
        assert!(!althing::pages::STYLE.contains(elsewhere), "{elsewhere}");
        assert!(!althing::pages::SCRIPT.contains(elsewhere), "{elsewhere}");
    }
}

/// What the browser would refuse at run time is not in the script to begin with.
#[test]
fn the_script_makes_no_markup_of_text() {
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ] {
        assert!(!althing::pages::SCRIPT.contains(word), "{word}");
    }
}
