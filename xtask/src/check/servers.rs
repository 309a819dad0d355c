//! Each server's own check of its configuration, run in the image that will read it.

use std::process::Command;

use anyhow::Result;

use super::tally::Tally;
use crate::engine::Engine;
use crate::images::{ALERTMANAGER, COLLECTOR, JAEGER, LOKI, PROMETHEUS};
use crate::stack::Stack;
use crate::{process, workspace};

pub(super) fn check(engine: &Engine) -> Result<Tally> {
    let mut tally = Tally::default();
    let compose = Stack::for_tests_with(Some(engine.kind()))?;
    tally.add(
        "docker-compose.yml",
        compose
            .compose_shop()
            .and_then(|mut compose| process::output(compose.arg("config")))
            .map(|_| ()),
    );
    tally.add(
        "collector/single-node.yaml, by the collector",
        process::output(
            in_image(engine, "collector", "/etc/otelcol")
                // The queue's folder is a volume in the stack.
                .args(["--tmpfs", "/var/lib/otelcol:rw,mode=1777", COLLECTOR])
                .args(["validate", "--config=/etc/otelcol/single-node.yaml"]),
        )
        .map(|_| ()),
    );
    tally.add(
        "dashboards/jaeger/jaeger.yaml, by Jaeger",
        process::output(in_image(engine, "dashboards/jaeger", "/etc/jaeger").args([
            JAEGER,
            "validate",
            "--config=/etc/jaeger/jaeger.yaml",
        ]))
        .map(|_| ()),
    );
    tally.add(
        "dashboards/loki/loki.yaml, by Loki",
        process::output(in_image(engine, "dashboards/loki", "/etc/loki").args([
            LOKI,
            "-verify-config",
            "-config.file=/etc/loki/loki.yaml",
        ]))
        .map(|_| ()),
    );
    for arguments in [
        ["check", "config", "/etc/prometheus/prometheus.yml"],
        ["test", "rules", "/etc/prometheus/rules_test.yml"],
    ] {
        tally.add(
            &format!("promtool {}", arguments.join(" ")),
            process::output(
                in_image(engine, "dashboards/prometheus", "/etc/prometheus")
                    .args(["--entrypoint", "/bin/promtool", PROMETHEUS])
                    .args(arguments),
            )
            .map(|_| ()),
        );
    }
    tally.add(
        "amtool check-config",
        process::output(
            in_image(engine, "dashboards/alertmanager", "/etc/alertmanager")
                .args(["--entrypoint", "/bin/amtool", ALERTMANAGER])
                .args(["check-config", "/etc/alertmanager/alertmanager.yml"]),
        )
        .map(|_| ()),
    );
    Ok(tally)
}

/// `run`, without a network and with a folder of the checkout where the server reads it.
fn in_image(engine: &Engine, folder: &str, at: &str) -> Command {
    let mount = format!("{}:{at}:ro", workspace::root().join(folder).display());
    let mut command = engine.command();
    command.args(["run", "--rm", "--network=none", "--volume", &mount]);
    command
}
