//! Names, IDs and labels that somebody chose to do harm: a key inside the prefix, or none.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate::registrator::{
    container::{Binding, Container, Port, State},
    known::{Frame, Known},
    layout::{BadKey, Format, Output, Prefix, key::digest},
    service::{Host, Rules},
};

fn frame(outputs: Vec<Output>) -> Frame {
    let host = Host { name: "host1".into(), ip4: Some("10.9.17.201".into()), ip6: None };
    Frame { rules: Rules::default(), host, outputs, corpses: None }
}

fn output(format: Format, prefix: &str) -> Output {
    let leading = !matches!(format, Format::Grpc | Format::Traefik);
    Output { format, prefix: Prefix::new(prefix, leading), host: "host1".into(), ttl: 30 }
}

fn all_outputs() -> Vec<Output> {
    Format::ALL.into_iter().map(|format| output(format, format.name())).collect()
}

fn container(id: &str, labels: &[(&str, &str)]) -> Container {
    let binding = Binding { ip: "0.0.0.0".into(), port: "8080".into() };
    Container {
        id: id.into(),
        name: "c".into(),
        image: "web".into(),
        state: State { running: true, ..State::default() },
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        exposed: vec![Port::parse("80/tcp")],
        ports: BTreeMap::from([(Port::parse("80/tcp"), vec![binding])]),
        network_mode: "default".into(),
        ..Container::default()
    }
}

fn keys(labels: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
    let mut known = Known::new(frame(vec![output(Format::Plain, "registrator")]));
    let news = known.put(container("e20f9c1a7656", labels), 0);
    match news.refused.is_empty() {
        true => Ok(known.wish().entries.keys().map(|key| key.to_string()).collect()),
        false => Err(news.refused),
    }
}

#[test]
fn names_and_ids_are_cleaned_as_the_v2_api_did_and_never_leave_the_prefix() {
    let name = |name: &str| keys(&[("SERVICE_NAME", name)]).map(|all| all.join(" "));
    for (given, key) in [
        ("a//b", "/registrator/a/b/host1:c:80"),
        ("a/../b", "/registrator/b/host1:c:80"),
        (".", "/registrator/host1:c:80"),
        ("a/", "/registrator/a/host1:c:80"),
        ("/a", "/registrator/a/host1:c:80"),
        ("a b", "/registrator/a+b/host1:c:80"),
        ("a\nb", "/registrator/a%0Ab/host1:c:80"),
        ("a\0b", "/registrator/a%00b/host1:c:80"),
        ("_hid", "/registrator/_hid/host1:c:80"),
        ("ä", "/registrator/ä/host1:c:80"),
    ] {
        assert_eq!(name(given).as_deref(), Ok(key), "{given:?}");
    }
    let id = |id: &str| keys(&[("SERVICE_ID", id)]).map(|all| all.join(" "));
    assert_eq!(id("host2:web:80").as_deref(), Ok("/registrator/web/host2:web:80"));
    assert_eq!(id("x/y").as_deref(), Ok("/registrator/web/x/y"));
    for refused in [
        name("../x"),
        name("../../x"),
        name(&"n".repeat(10_000)),
        id("../../../x"),
        id("/"),
        id("."),
        id(".."),
    ] {
        let words = refused.unwrap_err().join(" ");
        assert!(words.len() < 300, "{words}");
    }
}

#[test]
fn two_containers_with_one_key_are_told_and_the_first_has_it() {
    let mut known = Known::new(frame(vec![output(Format::Plain, "registrator")]));
    for (id, began) in [("bbbbbbbbbbbb", "2026-01-01"), ("aaaaaaaaaaaa", "2026-01-02")] {
        let mut one = container(id, &[("SERVICE_ID", "same")]);
        one.state.started_at = began.into();
        known.put(one, 0);
    }
    let wish = known.wish();
    assert_eq!(wish.entries.values().next().unwrap().service.as_ref(), "bbbbbbbbbbbb same");
    assert_eq!(wish.duplicates, ["/registrator/web/same: bbbbbbbbbbbb same and aaaaaaaaaaaa same"]);
    known.remove("bbbbbbbbbbbb");
    assert_eq!(known.wish().entries.values().next().unwrap().service.as_ref(), "aaaaaaaaaaaa same");
}

#[test]
fn numbers_that_stand_for_texts_stay_the_same_for_ever() {
    // Keys in etcd and the ID of the lease are made of them: another value would orphan what an older version wrote.
    assert_eq!(digest(""), 0xf52a_15e9_a9b5_e89b);
    assert_eq!(digest("plain:/registrator/:host1"), digest("plain:/registrator/:host1"));
    assert_ne!(digest("host1:a:80"), digest("host1:a:81"));
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z./:]{0,12}",
        "\\PC{0,20}",
        proptest::collection::vec(any::<char>(), 0..30).prop_map(|all| all.into_iter().collect()),
        Just("../".repeat(50)),
        Just("x".repeat(10_000)),
        Just("host2:web:80".to_owned()),
        Just("{{ . }}".to_owned()),
        Just("\u{0}\n\u{7f}".to_owned()),
    ]
}

fn hostile_key() -> impl Strategy<Value = String> {
    let known = [
        "NAME",
        "ID",
        "TAGS",
        "IGNORE",
        "80_NAME",
        "80_ID",
        "80_TAGS",
        "1-99_NAME",
        "REGION",
        "scheme",
        "weight",
        "",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(|key| format!("SERVICE_{key}")),
        hostile_text().prop_map(|key| format!("SERVICE_{key}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_label_leads_out_of_a_prefix(
        labels in proptest::collection::btree_map(hostile_key(), hostile_text(), 0..6),
        env in proptest::collection::vec((hostile_key(), hostile_text()), 0..4),
        name in hostile_text(),
        image in hostile_text(),
    ) {
        let mut known = Known::new(frame(all_outputs()));
        let mut one = container("e20f9c1a7656", &[]);
        one.labels = labels;
        one.env = env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        one.name = name;
        one.image = image;
        let news = known.put(one, 0);
        let wish = known.wish();
        for (key, wanted) in &wish.entries {
            let prefix = Format::ALL.iter().find(|format| {
                key.strip_prefix('/').unwrap_or(key).starts_with(&format!("{}/", format.name()))
            });
            prop_assert!(prefix.is_some(), "{key:?} is outside");
            prop_assert!(!key.contains("//") && !key.ends_with('/'), "{key:?} is not clean");
            prop_assert!(key.split('/').all(|part| part != "." && part != ".."), "{key:?} is not clean");
            prop_assert!(!key.chars().any(char::is_control) && key.len() <= 4096, "{key:?}");
            prop_assert!(wanted.value.len() <= 64 * 1024);
            if prefix == Some(&Format::Skydns) {
                let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                let labels: Vec<&str> = key.split('/').skip(2).collect();
                prop_assert!(labels.iter().all(|label| label.len() <= 63 && label.chars().all(dns)), "{key:?}");
            }
        }
        // Every port is either registered, ignored for a reason, or refused and told.
        prop_assert!(!wish.entries.is_empty() || !news.refused.is_empty() || !news.ignored.is_empty());
    }

    #[test]
    fn what_is_refused_is_named_in_a_short_line(name in hostile_text(), id in hostile_text()) {
        if let Err(error) = Prefix::new("/registrator", true).key(&name, &id) {
            let words = error.to_string();
            prop_assert!(words.len() < 1200 && !words.contains('\n'), "{words}");
            let fits = matches!(error, BadKey::Outside { .. } | BadKey::KeyTooLong { .. });
            prop_assert!(fits);
        }
    }
}
