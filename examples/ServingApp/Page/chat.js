// A chat over the server's own OpenAI-compatible endpoint. The conversation lives in this page alone.
const $ = id => document.getElementById(id);
let conversation = [];
let running = null; // the AbortController of an answer under way

const headers = () => ({ "Content-Type": "application/json", ...($("key").value ? { Authorization: `Bearer ${$("key").value}` } : {}) });

// Appends to the conversation, and keeps its end in view for whoever was looking at it.
function append(element, className, text) {
  element.className = className;
  following(() => {
    element.textContent = text; // text, whatever it looks like
    $("turns").append(element);
  });
  return element;
}

const show = (role, text) => append(document.createElement("div"), `turn ${role}`, text);
const note = text => append(document.createElement("div"), "note", text);

function following(change) {
  const turns = $("turns"), atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 50;
  change();
  if (atEnd) turns.scrollTop = turns.scrollHeight;
}

// A request; what the browser calls a TypeError is a server that isn't there.
async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The server can't be reached.");
  }
}

// The data of each server-sent event, as they come; they end where the connection does.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch(error => {
      if (error.name === "AbortError") throw error;
      return { done: true };
    });
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}

async function ask(text) {
  const mine = conversation; // a new one may begin meanwhile
  mine.push({ role: "user", content: text });
  show("user", text);
  const turn = show("assistant", "");
  $("turns").scrollTop = $("turns").scrollHeight; // who asks wants to see the answer
  const begun = performance.now();
  const abort = running = new AbortController();
  $("send").textContent = "Stop";
  let answer = "", reason = null, usage = null, whole = false;
  try {
    const body = { model: $("model").value || undefined, messages: mine, stream: true, stream_options: { include_usage: true }, max_completion_tokens: Number($("tokens").value) || undefined };
    if ($("temperature").value !== "") body.temperature = Number($("temperature").value);
    const response = await reach("v1/chat/completions", { method: "POST", headers: headers(), body: JSON.stringify(body), signal: abort.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const data of events(response)) {
      if (data === "[DONE]") {
        whole = true;
        break;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        answer += choice.delta.content ?? "";
        reason = choice.finish_reason ?? reason;
      }
      following(() => turn.textContent = answer);
    }
    if (!whole) throw new Error("The connection broke off.");
    note(`${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written in ${((performance.now() - begun) / 1000).toFixed(1)} s${reason === "length" ? ", cut off" : ""}`);
  } catch (error) {
    if (mine !== conversation) return;
    if (error.name === "AbortError") {
      if (!answer) turn.remove();
      note("stopped");
    } else {
      turn.classList.add("error");
      following(() => turn.textContent = answer + (answer ? "\n" : "") + error.message);
    }
  } finally {
    // An exchange without an answer is no part of the conversation: what was asked can be sent again.
    if (answer) mine.push({ role: "assistant", content: answer });
    else {
      mine.pop();
      if (mine === conversation && !$("text").value) $("text").value = text;
    }
    if (running === abort) {
      running = null;
      $("send").textContent = "Send";
    }
  }
}

$("form").addEventListener("submit", event => {
  event.preventDefault();
  if (running) return running.abort();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  ask(text);
});
$("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!running) $("form").requestSubmit();
  }
});
$("clear").addEventListener("click", () => {
  running?.abort();
  running = null;
  conversation = [];
  $("send").textContent = "Send";
  $("turns").replaceChildren();
  $("text").focus();
});

// The models that there are: one and its adapters. A server that still opens them is asked again.
async function greet() {
  let models = [], state = "";
  try {
    const response = await reach("v1/models", { headers: headers() });
    if (response.ok) models = (await response.json()).data.map(model => model.id);
    else if (response.status === 401) state = "needs an API key (Settings)";
    else {
      state = "not ready";
      setTimeout(greet, 1000 * (Number(response.headers.get("Retry-After")) || 5));
    }
  } catch (error) {
    state = error.message;
    setTimeout(greet, 5000);
  }
  const chosen = $("model").value;
  $("model").replaceChildren(...models.map(id => new Option(id, id, false, id === chosen)));
  $("model").hidden = models.length === 0;
  $("model").disabled = models.length < 2;
  $("state").textContent = state;
}
$("key").addEventListener("change", greet);
greet();
