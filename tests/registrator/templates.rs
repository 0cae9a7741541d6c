//! The templates of `-tags`: what Go's `text/template` with the original's functions makes of them.

use quorate::registrator::template::{Answers, Template, TemplateError};
use serde_json::{Value, json};

fn container() -> Value {
    json!({
        "Id": "e20f9c1a7656",
        "Name": "/web",
        "Config": {
            "Image": "registry/team/web:1.2",
            "Hostname": "e20f",
            "Labels": {"team": "shop", "com.acme.env": "prod", "empty": ""},
            "Env": ["SERVICE_NAME=web", "SERVICE_8105_NAME=foo", "SERVICE_9404_NAME=bar"],
        },
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostPort": "8080"}]}},
    })
}

fn rendered(template: &str) -> Result<String, String> {
    Template::parse(template, false)
        .and_then(|one| one.render(&container(), &Answers::new()))
        .map_err(|error| error.to_string())
}

#[test]
fn templates_render_as_in_go() {
    for (template, text) in [
        ("a,b", "a,b"),
        ("{{.Name}}", "/web"),
        ("{{ .ID }}", "e20f9c1a7656"),
        ("{{.Config.Labels.team}},x", "shop,x"),
        ("{{ index .Config.Labels \"com.acme.env\" }}", "prod"),
        ("{{ .Config.Labels.nothing }}", "<no value>"),
        ("{{ mIndex \"team\" .Config.Labels | toUpper }}", "SHOP"),
        ("{{ mIndex \"nothing\" .Config.Labels }}", ""),
        ("{{ toLower \"ABC\" }}", "abc"),
        ("{{ strSlice .Name 1 }}", "web"),
        ("{{ strSlice .Name 1 3 }}", "we"),
        ("{{ strSlice .Name 0 2 }}", "/w"),
        ("{{ strSlice .Name 9 }}", "/web"),
        ("{{ strSlice .Name 3 1 }}", "b"),
        ("{{ sIndex 0 .Config.Env }}", "SERVICE_NAME=web"),
        ("{{ sIndex -1 .Config.Env }}", "SERVICE_9404_NAME=bar"),
        ("{{ sIndex 99 .Config.Env }}", "SERVICE_9404_NAME=bar"),
        ("{{ sIndex -99 .Config.Env }}", "SERVICE_NAME=web"),
        ("{{ replace 1 \"e\" \"E\" \"eee\" }}", "Eee"),
        ("{{ replace -1 \"e\" \"E\" \"eee\" }}", "EEE"),
        ("{{ split \"/\" .Config.Image | join \"-\" }}", "registry-team-web:1.2"),
        ("{{ splitIndex -1 \"/\" .Config.Image }}", "web:1.2"),
        ("{{ splitIndex 1 \"/\" .Config.Image }}", "team"),
        ("{{ matchFirstElement \"^SERVICE_8\" .Config.Env }}", "SERVICE_8105_NAME=foo"),
        (
            "{{ matchAllElements \"^SERVICE_[0-9]+\" .Config.Env }}",
            "[SERVICE_8105_NAME=foo SERVICE_9404_NAME=bar]",
        ),
        ("{{ jsonParse `{\"a\":{\"b\":[1,\"x\"]}}` \"a::b::[1]\" }}", "x"),
        ("{{ if .Config.Labels.team }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if .Config.Labels.empty }}yes{{ else if eq 1 1 }}second{{ else }}no{{ end }}", "second"),
        ("{{ with .Config.Labels.team }}{{.}}{{ end }}", "shop"),
        (
            "{{ range $k, $v := .Config.Labels }}{{$k}}={{$v}};{{ end }}",
            "com.acme.env=prod;empty=;team=shop;",
        ),
        ("{{ range .Config.Env }}{{ splitIndex 1 \"=\" . }} {{ end }}", "web foo bar "),
        ("{{ range $i, $e := .Config.Env }}{{ if $i }},{{ end }}{{ $i }}{{ end }}", "0,1,2"),
        ("{{ $x := .Name }}{{ $x }}{{ $x = \"y\" }}{{ $x }}", "/weby"),
        ("{{ $.Name }}", "/web"),
        ("a {{- \"b\" -}} c", "abc"),
        ("{{/* nothing */}}x", "x"),
        ("{{ printf \"%s-%d-%q%%\" .Name 3 \"q\" }}", "/web-3-\"q\"%"),
        ("{{ len .Config.Env }}{{ and 1 0 }}{{ or \"\" \"d\" }}{{ not 0 }}{{ gt 2 1 }}", "30dtruetrue"),
        ("{{ (index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort }}", "8080"),
        ("{{ \"}}\" }}", "}}"),
    ] {
        assert_eq!(rendered(template).as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn templates_that_are_wrong_are_told() {
    for template in [
        "{{ nosuch }}",
        "{{",
        "{{ if .Name }}x",
        "{{ end }}",
        "{{ \"x }}",
        "{{ .Name | }}",
        "{{ (.Name }}",
        "{{ httpGet \"http://x\" }}",
        "{{ define \"x\" }}{{ end }}",
        "{{ sIndex 0 .Config.Labels.nothing }}",
        "{{ matchFirstElement \"(\" .Config.Env }}",
        "{{ toUpper 1 2 }}",
        "{{ range .Name }}{{ end }}",
        "{{ $y }}",
        "{{ .Name 1 }}",
        "{{ lt \"a\" 1 }}",
        "{{ index .Config.Env 9 }}",
        "{{ printf \"%z\" 1 }}",
        "{{ , }}",
        "{{ % }}",
    ] {
        assert!(rendered(template).is_err(), "{template}: {:?}", rendered(template));
    }
}

#[test]
fn templates_that_do_too_much_are_stopped() {
    let nested = "{{ range $.Config.Env }}".repeat(12) + "x" + &"{{ end }}".repeat(12);
    let deep = "{{ range .Config.Env }}".repeat(60) + "x" + &"{{ end }}".repeat(60);
    let parentheses = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let growing = "{{ $x := \"0123456789\" }}".to_owned()
        + &"{{ $x = replace -1 \"0\" $x $x }}".repeat(40)
        + "{{ $x }}";
    for template in [nested, deep, parentheses, growing] {
        assert!(rendered(&template).is_err(), "{:.60}", template);
    }
}

#[test]
fn what_other_servers_say_is_asked_for_and_given() {
    let text =
        "{{ if .Name }}{{ httpGet (print \"http://x/\" .Id) | toUpper }},{{ httpGet \"http://y\" }}{{ end }}";
    let refused = Template::parse(text, false).unwrap_err().to_string();
    assert!(refused.contains("-allow-http-get"), "{refused}");
    let template = Template::parse(text, true).unwrap();
    let mut answers = Answers::new();
    for (url, answer) in [("http://x/e20f9c1a7656", "zone-a"), ("http://y", "b")] {
        assert_eq!(template.render(&container(), &answers), Err(TemplateError::Needs(url.into())));
        answers.insert(url.into(), answer.into());
    }
    assert_eq!(template.render(&container(), &answers).unwrap(), "ZONE-A,b");
}
