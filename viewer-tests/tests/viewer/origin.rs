//! A page of somebody else in the same browser: it can neither read the viewer nor change
//! anything there.

use throughline_viewer_tests::{Browser, Dev};

use crate::{scene, site::Site};

#[tokio::test]
async fn a_page_of_another_origin_can_neither_read_nor_write() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    scene::send(&dev).await;
    let browser = Browser::start().await.unwrap();
    browser.goto(&dev.page("/errors")).await.unwrap();
    browser.wait_for_text("CardDeclined").await.unwrap();
    let issue = browser
        .attribute("#content tbody a[data-open]", "href")
        .await
        .unwrap();
    let issue = issue.unwrap();
    let issue = issue.split('?').next().unwrap();
    let resolve = dev.page(&format!("{issue}/resolve"));
    let before = dev.database().unwrap().issues().unwrap();
    assert!(
        before.iter().all(|issue| issue.status == "open"),
        "{before:?}"
    );

    let page = &dev.addresses().page;
    let otlp = &dev.addresses().otlp_http;
    let script = format!(
        "<h1>elsewhere</h1><pre id=told></pre><script>
        const form = {{ 'content-type': 'application/x-www-form-urlencoded' }};
        const tries = {{
            read: () => fetch('{page}/errors').then(answer => answer.text()),
            live: () => new Promise((open, fail) => {{
                const source = new EventSource('{page}/live');
                source.onmessage = open; source.onopen = open; source.onerror = fail;
            }}),
            script: () => new Promise((open, fail) => {{
                const script = document.createElement('script');
                script.src = '{page}/errors'; script.onload = open; script.onerror = fail;
                document.body.append(script);
            }}),
            write: () => fetch('{resolve}', {{ method: 'POST', headers: form, body: 'resolved=true' }}),
            send: () => fetch('{otlp}/v1/logs', {{
                method: 'POST', headers: {{ 'content-type': 'application/json' }}, body: '{{}}',
            }}),
        }};
        const blind = [
            fetch('{resolve}', {{ method: 'POST', mode: 'no-cors', headers: form, body: 'resolved=true' }}),
            fetch('{otlp}/v1/logs', {{ method: 'POST', mode: 'no-cors', body: '{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{{\"stringValue\":\"forged\"}}}}]}}]}}]}}' }}),
        ];
        const outcome = ([name, attempt]) => attempt().then(() => name + ' done', () => name + ' refused');
        Promise.allSettled([...Object.entries(tries).map(outcome), ...blind])
            .then(all => {{ told.textContent = all.slice(0, 5).map(one => one.value).join(', '); }});
        </script>
        <form method=post action='{resolve}'><input name=resolved value=true><button>a prize</button></form>
        <iframe src='{page}/errors' title=framed></iframe>"
    );
    // For as long as the test runs, which is the program's whole life.
    let site = Site::start(&[("/", script.leak())]).await;
    browser.goto(&site.page("/")).await.unwrap();
    browser
        .wait_until("document.querySelector('#told').textContent !== ''")
        .await
        .unwrap();
    assert_eq!(
        browser.text("#told").await.unwrap(),
        "read refused, live refused, script refused, write refused, send refused"
    );
    // The policy does not let it be framed either, so that no click can be stolen.
    let complaints = browser.complaints().await.unwrap();
    assert!(
        complaints
            .iter()
            .any(|message| message.text.contains("frame-ancestors")),
        "{complaints:?}"
    );

    // A form leads there without asking anybody.
    browser.click("button").await.unwrap();
    browser
        .wait_until(&format!("location.href === {resolve:?}"))
        .await
        .unwrap();
    let answer = browser.text("body").await.unwrap();
    assert!(answer.contains("--allow-origin"), "{answer}");

    let database = dev.database().unwrap();
    assert_eq!(database.issues().unwrap(), before);
    let stored = database.count("record").unwrap();
    assert_eq!(stored, 7, "a record was forged");
}
