// A chat over the server's own OpenAI-compatible endpoint. The conversation lives in this page alone.
const $ = id => document.getElementById(id);
let conversation = [];
let running = null; // the AbortController of an answer under way

const headers = () => ({ "Content-Type": "application/json", ...($("key").value ? { Authorization: `Bearer ${$("key").value}` } : {}) });

function show(role, text) {
  const turn = document.createElement("div");
  turn.className = `turn ${role}`;
  turn.textContent = text; // text, whatever it looks like
  $("turns").append(turn);
  turn.scrollIntoView({ block: "end" });
  return turn;
}

function note(text) {
  const line = document.createElement("div");
  line.className = "note";
  line.textContent = text;
  $("turns").append(line);
  line.scrollIntoView({ block: "end" });
}

// The data of each server-sent event, as they come.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield part.slice(6);
  }
}

async function ask(text) {
  conversation.push({ role: "user", content: text });
  show("user", text);
  const turn = show("assistant", "");
  const begun = performance.now();
  running = new AbortController();
  $("send").textContent = "Stop";
  let answer = "", reason = null, usage = null;
  try {
    const body = { messages: conversation, stream: true, stream_options: { include_usage: true }, max_completion_tokens: Number($("tokens").value) || undefined };
    if ($("temperature").value !== "") body.temperature = Number($("temperature").value);
    const response = await fetch("v1/chat/completions", { method: "POST", headers: headers(), body: JSON.stringify(body), signal: running.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const data of events(response)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      usage = chunk.usage ?? usage;
      for (const choice of chunk.choices) {
        answer += choice.delta.content ?? "";
        reason = choice.finish_reason ?? reason;
      }
      turn.textContent = answer;
      turn.scrollIntoView({ block: "end" });
    }
    if (usage) note(`${usage.prompt_tokens} tokens read, ${usage.completion_tokens} written in ${((performance.now() - begun) / 1000).toFixed(1)} s${reason === "length" ? ", cut off" : ""}`);
  } catch (error) {
    if (error.name === "AbortError") note("stopped");
    else {
      turn.classList.add("error");
      turn.textContent = answer + (answer ? "\n" : "") + error.message;
    }
  } finally {
    // An exchange without an answer is not part of the conversation.
    if (answer) conversation.push({ role: "assistant", content: answer });
    else conversation.pop();
    running = null;
    $("send").textContent = "Send";
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
  conversation = [];
  $("turns").replaceChildren();
});

async function greet() {
  const response = await fetch("v1/models", { headers: headers() });
  $("model").textContent = response.ok ? (await response.json()).data[0].id : response.status === 401 ? "needs an API key (Settings)" : "not ready";
}
$("key").addEventListener("change", greet);
greet();
