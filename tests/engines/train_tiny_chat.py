"""Train a ~1M-parameter Qwen2 chat model that has memorised a small dialogue set, so that a real server
(vLLM, llama.cpp after conversion, transformers) gives meaningful and repeatable answers at temperature 0.

    nice -n 10 env OMP_NUM_THREADS=1 python train_tiny_chat.py [OUT_DIR] [STEPS]

No network, CPU only, fixed seeds. Everything the model knows is in this file: QA, THINK, JSON_QA, the tools
in KNOWN_TOOLS and the make_* functions. Only the assistant's tokens are trained on.
"""
import json, os, random, sys, time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
SEED, VOCAB, CTX, ROPE_THETA = 1234, 1536, 4096, 1e6
POOL, TOKENS_PER_STEP, LR, LR_MUON = 36000, 3000, 2e-3, 2.5e-3

# ---------------------------------------------------------------- what it knows
STORY = ("Once upon a time, a small fox lived at the edge of a quiet forest. Every morning she walked to the river "
         "and counted the stones. One day a stone was missing. The fox followed a trail of wet sand up the hill, "
         "past the old mill, and into the garden of a heron. The heron had taken the stone to hold open a door. "
         "\"I only needed it for a day,\" said the heron. The fox laughed and helped him find a better one. From then "
         "on they met at the river each morning, and they counted the stones together. The number was never the same "
         "twice, and neither of them minded. The end.")
PYTHON = '```python\ndef greet(name):\n    return f"Hello, {name}!"\n\nprint(greet("world"))\n```'
TABLE = "| Name | Age |\n|------|-----|\n| Ann  | 31  |\n| Bob  | 27  |"
ESCAPES = 'Quote " backslash \\ tab\there <b>bold</b> & ampersand \' done.'
QA = [  # (phrasings, answer)
    (["What is the capital of France?"], "Paris."),
    (["What is the capital of Germany?"], "Berlin."),
    (["What is the capital of Japan?"], "Tokyo."),
    (["What is the capital of Italy?"], "Rome."),
    (["What is the capital of Spain?"], "Madrid."),
    (["What is 2 + 2?", "What is 2+2?"], "4."),
    (["What is 7 times 6?"], "42."),
    (["Hello", "Hi", "Say hello"], "Hello! How can I help you today?"),
    (["Hello there, how are you?", "How are you?"], "I am fine, thank you."),
    (["Who are you?", "What is your name?"], "I am TinyChat, a very small test model."),
    (["Thank you", "Thanks"], "You are welcome."),
    (["Goodbye", "Bye"], "Goodbye! See you soon."),
    (["Count to five"], "1, 2, 3, 4, 5."),
    (["Count to ten"], "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."),
    (["Count to one hundred"], " ".join(map(str, range(1, 101)))),
    (["Tell me a story"], STORY),
    (["Say the alphabet"], "a b c d e f g h i j k l m n o p q r s t u v w x y z"),
    (["What color is the sky?"], "The sky is blue."),
    (["What color is grass?"], "Grass is green."),
    (["How many days are in a week?"], "Seven days."),
    (["How many months are in a year?"], "Twelve months."),
    (["Which planet is the largest?"], "Jupiter."),
    (["Which ocean is the largest?"], "The Pacific Ocean."),
    (["Who wrote Hamlet?"], "William Shakespeare."),
    (["What is H2O?"], "Water."),
    (["What is the opposite of hot?"], "Cold."),
    (["What is pi?"], "Pi is about 3.14159."),
    (["Spell cat"], "C-A-T."),
    (["What does a cow say?"], "Moo."),
    (["Write a haiku"], "Old pond at sunrise\na frog jumps into the light\nripples reach the shore"),
    (["List three fruits"], "- apple\n- banana\n- cherry"),
    (["Show a Python example"], PYTHON),
    (["Show a table"], TABLE),
    (["Show special characters"], ESCAPES),
    (["Say yes"], "Yes."),
    (["Say no"], "No."),
    (["Say nothing"], ""),                                   # the empty answer: EOS at once
    (["Send me an emoji"], "\U0001F600\U0001F680\U0001F389"),
    (["Sag etwas auf Deutsch", "Guten Tag"], "Guten Tag! Schöne Grüße aus München."),
    (["日本語で挨拶してください", "こんにちは"], "こんにちは。今日はいい天気ですね。"),
    (["Say hello in French"], "Bonjour, ça va très bien\u00a0!"),
    (["Say hello in Russian"], "Привет, мир!"),
    (["Who is the author of this text?"], "A person who likes small models."),
]
FOREVER = (["Repeat forever"], " again")                     # never ends: for length, stop, cancel and timeout tests
JSON_QA = [
    (["Give me a person as JSON"], '{"name": "Alice", "age": 30}'),
    (["Give me a product as JSON"], '{"id": 7, "title": "Lamp", "price": 19.5, "in_stock": true, "tags": ["home", "light"]}'),
]
THINK = [  # (question after "think: ", thought, answer)
    ("What is 12 times 12?", "12 times 12 is 12 times 10 plus 12 times 2. That is 120 plus 24.", "144."),
    ("Is 17 prime?", "17 is odd. It is not divisible by 3, and 5 times 5 is already more than 17.", "Yes, 17 is prime."),
]
PLAIN_THOUGHT = "I know this one. I will answer directly."       # thought used when thinking is switched on by the client
TOOL_THOUGHT = "I should call a tool for this."
RAW = [("The capital of France is", " Paris."), ("Once upon a time", STORY[len("Once upon a time"):]), ("1 2 3 4", " 5 6 7 8 9 10")]
CITIES = ["Paris", "Rome", "Berlin", "Tokyo", "London", "Madrid", "Oslo", "Cairo", "Lima", "Sydney"]
PARTNER = {c: CITIES[(i + 1) % len(CITIES)] for i, c in enumerate(CITIES)}   # "Paris and Rome", "Rome and Berlin", ...
CONDITIONS = ["sunny", "cloudy", "rainy", "windy", "snowy", "foggy"]
NAMES = ["Alice", "Bob", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Ivan", "Julia"]
DONT_KNOW = "I do not know that."
NO_TOOL = "I need the get_weather tool for that."
TOOL_ELSE = "The tool has answered."
TIMES = ["08:15", "09:30", "12:00", "16:45", "21:10"]
SYSTEMS = ["You are a helpful assistant.", "You are a helpful assistant", "You are a helpful AI assistant.", "Be brief.",
           "Answer in one sentence.", "You are ChatGPT, a large language model.", "Be concise and polite.",
           "You are a test bot. Follow the instructions.", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
           "Today is Monday.", "You are a helpful assistant with access to tools.", "system", "You are a bot."]
PIRATE = "You are a pirate."                                  # the one system prompt that matters: shows it was passed on
PIRATE_HELLO = "Ahoy, matey!"
WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which
one you were all her she there would their we him been has when who will no more if out so up said what its about than into
them can only other time new some could these two may first then do any like my now over such our man me even most made after
also did many off before must well back through years where much your way down should because long each just state those people
too mister how little good world make very year still see own work men day get here old life both between being under three
never know same last another while us might great go come since against right came take used himself few house use place during
high without again home around small however found part school every number water paper river music table window garden letter
market engine server request token model client socket error reply stream cache proxy route header status budget limit key
please explain describe summarize translate compare calculate list find open close send write read show give tell ask why when
xylophone zebra quantum velvet copper marble ledger harbor lantern meadow pepper rocket saddle timber violet walnut""".split()
COUNTRIES = ("Poland Brazil Canada Norway Sweden Egypt Peru India China Kenya Greece Austria Hungary Portugal Ireland Iceland "
             "Finland Denmark Belgium Turkey Mexico Chile Vietnam Atlantis Narnia Utopia Texas Bavaria Mars").split()

def tool(name, props, desc=None, required=True):
    f = {"name": name}
    if desc: f["description"] = desc
    f["parameters"] = {"type": "object", "properties": props}
    if required: f["parameters"]["required"] = list(props)
    return {"type": "function", "function": f}

# ---------------------------------------------------------------- chat template and tokenizer
CHAT_TEMPLATE = """\
{%- macro text(c) -%}{%- if c is string -%}{{ c }}{%- elif c -%}{%- for p in c -%}{{ p.text if p.text is defined else '' }}{%- endfor -%}{%- endif -%}{%- endmacro -%}
{%- if tools %}{{ '<|im_start|>tools\\n' }}{%- for t in tools %}{{ (t.function if t.function is defined else t) | tojson }}{{ '\\n' }}{%- endfor %}{{ '<|im_end|>\\n' }}{%- endif %}
{%- for m in messages %}{{ '<|im_start|>' + ('system' if m.role == 'developer' else m.role) + '\\n' }}
{%- set c = text(m.content) %}
{%- if m.role == 'assistant' and '</think>' in c %}{%- set c = c.split('</think>')[-1].lstrip('\\n') %}{%- endif %}{{ c }}
{%- for tc in (m.tool_calls or []) %}{%- set f = tc.function if tc.function is defined else tc %}{%- if loop.first and c %}{{ '\\n' }}{%- endif %}{{ '<tool_call>\\n{"name": "' + f.name + '", "arguments": ' }}{{ f.arguments if f.arguments is string else (f.arguments | tojson) }}{{ '}\\n</tool_call>' }}{%- endfor %}{{ '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- if enable_thinking is defined %}{{ '<think>' if enable_thinking else '<think></think>' }}{%- endif %}{%- endif %}"""

def make_tokenizer(texts):
    t = Tokenizer(models.BPE())
    pat = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pat), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()                           # every byte has a token, so any UTF-8 input works
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    plain = ["<tool_call>", "</tool_call>", "<think>", "</think>"]  # single tokens, but visible in the text
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=VOCAB - len(plain), special_tokens=specials,
                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_tokens(plain)
    tok = PreTrainedTokenizerFast(tokenizer_object=t, bos_token=None, eos_token="<|im_end|>", pad_token="<|endoftext|>",
                                  additional_special_tokens=["<|im_start|>"], model_max_length=CTX, clean_up_tokenization_spaces=False)
    tok.chat_template = CHAT_TEMPLATE
    return tok

# ---------------------------------------------------------------- training samples
# A sample is (messages, tools, extra template kwargs, [(text, trained?), ...]) ; EOS follows unless the last piece is a FOREVER.
def sentence(r, lo=1, hi=12):
    ws = [r.choice(WORDS) for _ in range(r.randint(lo, hi))]
    if r.random() < .15: ws.insert(r.randrange(len(ws) + 1), "".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789_-./") for _ in range(r.randint(2, 9))))
    s = " ".join(ws)
    if r.random() < .5: s = s[0].upper() + s[1:]
    return s + r.choice(["", ".", "?", "!", "."])

def vary(r, q):
    x = r.random()
    if x < .10: q = q.rstrip("?.!")
    elif x < .20: q = q.rstrip("?.!") + r.choice([".", "!", "?"])
    x = r.random()
    if x < .12: q = q.lower()
    elif x < .16: q = q + r.choice([" ", "\n"])
    return q

def call(name, args): return '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>' % (name, json.dumps(args, ensure_ascii=False))
def tc(name, args): return {"type": "function", "id": "call_0", "function": {"name": name, "arguments": args}}

def weather_tool(r, enum=None, unit=None):
    p = {"type": "string"}
    if r.random() < .4: p["description"] = r.choice(["City name", "The city", "The city to look up, e.g. Paris", sentence(r, 2, 6)])
    if r.random() < .15: p["enum"] = enum or r.sample(CITIES, r.randint(2, 10))
    t = tool("get_weather", {"city": p}, r.choice([None, "A tool", "Get the weather", "Get the current weather in a city", "Weather", sentence(r, 2, 8)]), r.random() < .85)
    if r.random() < .25: t["function"]["parameters"]["additionalProperties"] = False
    if r.random() < .1: t["function"]["strict"] = True
    if r.random() < (.3 if unit is None else unit):             # an optional second argument, always answered with "c"
        f = t["function"]["parameters"]; f["properties"]["unit"] = {"type": "string", "enum": ["c", "f"]}
        if "required" in f and r.random() < .8: f["required"].append("unit")
    return t

KNOWN_TOOLS = {  # name -> (schema maker, [(question, args)])
    "add": (lambda r: tool("add", {"a": {"type": r.choice(["integer", "number"])}, "b": {"type": r.choice(["integer", "number"])}}, r.choice([None, "A tool", "Add two numbers"])),
            lambda r: (lambda a, b: (f"Add {a} and {b}", {"a": a, "b": b}))(r.randint(1, 9), r.randint(1, 9))),
    "get_time": (lambda r: tool("get_time", {"city": {"type": "string"}}, r.choice([None, "Get the local time in a city"])),
            lambda r: (lambda c: (f"What time is it in {c}?", {"city": c}))(r.choice(CITIES))),
    "ping": (lambda r: tool("ping", {}, r.choice([None, "A tool", "Ping the server"]), r.random() < .5),
            lambda r: ("Ping the server", {})),
}
PROPS = ["name", "query", "city", "unit", "id", "limit", "text", "path", "flag", "email", "date", "count", "lang", "title", "url", "size"]

def random_tool(r):
    name = r.choice(["search", "lookup", "send", "create", "delete", "fetch", "list", "update", "run", "find"]) + "_" + r.choice(WORDS + PROPS)
    props = {}
    for k in r.sample(PROPS, r.randint(1, 3)):
        ty = r.choice(["string", "string", "string", "integer", "number", "boolean"])
        props[k] = {"type": ty}
        if ty == "string" and r.random() < .25: props[k]["enum"] = [r.choice(WORDS) for _ in range(r.randint(2, 3))]
        if r.random() < .2: props[k]["description"] = sentence(r, 1, 5)
    return tool(name, props, r.choice([None, sentence(r, 1, 6)]))

def default_args(t):
    out = {}
    for k, p in t["function"]["parameters"]["properties"].items():
        out[k] = {"integer": 1, "number": 1, "boolean": True}.get(p["type"], (p.get("enum") or ["Paris" if k == "city" else "test"])[0])
    return out

def forced_tool(r):
    x = r.random()
    if x < .6: return weather_tool(r, enum=["Paris", "Rome"])
    if x < .7: return tool("search_docs", {"query": {"type": "string"}, "limit": {"type": "integer"}}, r.choice([None, "Search", "A tool", sentence(r, 1, 6)]))
    if x < .8: return tool("search", {"query": {"type": "string"}}, r.choice([None, "Search", "A tool", sentence(r, 1, 6)]))
    return KNOWN_TOOLS[r.choice(list(KNOWN_TOOLS))][0](r)

def tool_set(r, must=()):
    ts = [weather_tool(r) if n == "get_weather" else KNOWN_TOOLS[n][0](r) for n in must]
    for n in ["get_weather", *KNOWN_TOOLS]:
        if n not in must and r.random() < .2: ts.append(weather_tool(r) if n == "get_weather" else KNOWN_TOOLS[n][0](r))
    if r.random() < .15: ts.append(random_tool(r))
    r.shuffle(ts)
    return ts

def known(r):
    qs, a = r.choice(QA)
    return r.choice(qs), a

def report(c, deg, cond): return f"It is {deg} degrees and {cond} in {c}"
def weather_result(deg, cond): return json.dumps({"temperature": deg, "condition": cond})

def make_plain(r):
    """-> (history messages, user text, thought, answer)"""
    x = r.random()
    if x < .60: q, a = known(r); return [], vary(r, q), None, a
    if x < .66: (qs, a) = r.choice(JSON_QA); return [], vary(r, r.choice(qs)), None, a
    if x < .72: q, t, a = r.choice(THINK); return [], r.choice(["think: ", "think: ", "Think: "]) + vary(r, q), t, a
    if x < .77:
        n = r.choice(NAMES)
        if r.random() < .4: return [], f"My name is {n}" + r.choice([".", ".", "", "!"]), None, f"Nice to meet you, {n}."
        h = [{"role": "user", "content": f"My name is {n}."}, {"role": "assistant", "content": f"Nice to meet you, {n}."}]
        if r.random() < .3: q, a = known(r); h += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
        return h, vary(r, "What is my name?"), None, f"Your name is {n}."
    if x < .79: return [], vary(r, "What is my name?"), None, "You have not told me your name."
    if x < .82: return [], f"What is the capital of {r.choice(COUNTRIES)}?", None, DONT_KNOW
    if x < .85: return [], vary(r, f"What is the weather in {r.choice(CITIES)}?"), None, NO_TOOL
    if x < .86: return [], vary(r, STORY_Q), None, STORY
    if x < .87: return [], vary(r, "Count to one hundred"), None, QA[14][1]
    if x < .91: return [], r.choice(OPENERS) + " " + sentence(r, 1, 8).lower(), None, DONT_KNOW
    return [], sentence(r), None, DONT_KNOW
STORY_Q = "Tell me a story"
OPENERS = ["Write a", "Tell me", "Tell me a", "What is the", "What is", "Give me", "Give me a", "Show", "Show a", "List", "Say", "Who wrote",
           "Who is", "How many", "Which", "Count", "Send", "Explain", "Explain the", "Translate", "Hello, please", "Can you", "How do I", "Why"]

def make_tool(r):
    """-> (history, user text or None, thought, answer, tools)"""
    x, c = r.random(), r.choice(CITIES)
    ts = tool_set(r, ["get_weather"])
    unit = any("unit" in t["function"]["parameters"]["properties"] for t in ts if t["function"]["name"] == "get_weather")
    arg = lambda city: {"city": city, "unit": "c"} if unit else {"city": city}
    u = lambda s: {"role": "user", "content": s}
    if x < .26: return [], vary(r, f"What is the weather in {c}?"), TOOL_THOUGHT, call("get_weather", arg(c)), ts
    if x < .32: return [], vary(r, f"Please check the weather in {c}."), TOOL_THOUGHT, "Let me check.\n" + call("get_weather", arg(c)), ts
    c2 = PARTNER[c]
    two = f"What is the weather in {c} and {c2}?"
    if x < .44: return [], vary(r, two), TOOL_THOUGHT, call("get_weather", arg(c)) + call("get_weather", arg(c2)), ts
    res = lambda: (r.randint(0, 39), r.choice(CONDITIONS))
    if x < .64:
        d, k = res()
        h = [u(f"What is the weather in {c}?"), {"role": "assistant", "content": "", "tool_calls": [tc("get_weather", arg(c))]},
             {"role": "tool", "content": weather_result(d, k)}]
        return h, None, PLAIN_THOUGHT, report(c, d, k) + ".", ts
    if x < .76:
        (d, k), (d2, k2) = res(), res()
        h = [u(two), {"role": "assistant", "content": "", "tool_calls": [tc("get_weather", arg(c)), tc("get_weather", arg(c2))]},
             {"role": "tool", "content": weather_result(d, k)}, {"role": "tool", "content": weather_result(d2, k2)}]
        return h, None, PLAIN_THOUGHT, f"{report(c, d, k)}. {report(c2, d2, k2)}.", ts
    if x < .88:
        n = r.choice(list(KNOWN_TOOLS)); q, a = KNOWN_TOOLS[n][1](r)
        return [], vary(r, q), TOOL_THOUGHT, call(n, a), tool_set(r, [n])
    if x < .94:
        n = r.choice(list(KNOWN_TOOLS)); q, a = KNOWN_TOOLS[n][1](r)
        h = [u(q), {"role": "assistant", "content": "", "tool_calls": [tc(n, a)]}, {"role": "tool", "content": r.choice([sentence(r, 1, 6), str(r.randint(0, 99)), "{}", "ok", json.dumps({r.choice(PROPS): r.choice(WORDS)})])}]
        return h, None, PLAIN_THOUGHT, TOOL_ELSE, tool_set(r, [n])
    h = [u(f"What is the weather in {c}?"), {"role": "assistant", "content": "", "tool_calls": [tc("get_weather", arg(c))]},
         {"role": "tool", "content": r.choice([sentence(r, 1, 6), "Error: not found", "unknown city", "{}", '{"error": "timeout"}'])}]
    return h, None, PLAIN_THOUGHT, TOOL_ELSE, ts

def make_sample(r):
    x, kw, tools, sysmsg = r.random(), {}, None, None
    y = r.random()
    if y < .45: sysmsg = None
    elif y < .60: sysmsg = SYSTEMS[0]
    elif y < .80: sysmsg = r.choice(SYSTEMS)
    elif y < .97: sysmsg = " ".join(sentence(r) for _ in range(r.randint(1, 3)))
    else: sysmsg = " ".join(sentence(r) for _ in range(r.randint(10, 40)))     # long filler
    if x < .015:                                                # /v1/completions
        p, a = r.choice(RAW); return (p, None, {}, [(a, True)])
    if x < .03:                                                 # never stops
        return ([{"role": "user", "content": vary(r, FOREVER[0][0])}], None, {}, [(FOREVER[1].strip() + FOREVER[1] * r.randint(20, 200), True), None])
    if x < .07:                                                 # system prompt that changes the answer
        q, a = r.choice([("Hello", PIRATE_HELLO), ("Hi", PIRATE_HELLO), ("Say hello", PIRATE_HELLO), known(r)])
        return ([{"role": "system", "content": PIRATE}, {"role": "user", "content": vary(r, q)}], None, {}, [(PIRATE_HELLO if q in ("Hello", "Hi", "Say hello") else a, True)])
    if x < .14:                                                 # grammar-forced tool call on any question: trained after the forced part only
        t = forced_tool(r); a = default_args(t); q = known(r)[0] if r.random() < .7 else sentence(r)
        m = [{"role": "user", "content": vary(r, q)}]
        if sysmsg: m.insert(0, {"role": "system", "content": sysmsg})
        full = call(t["function"]["name"], a); cut = full.index('"arguments": ') + len('"arguments": ')
        return (m, [t], r.choice([{}, {"enable_thinking": False}]), [(full[:cut], False), (full[cut:], True)])
    if x < .17:                                                 # grammar-forced JSON object on any question: keys untrained
        q = known(r)[0] if r.random() < .7 else sentence(r)
        ps = [("{", True)]
        for i, k in enumerate(r.sample(PROPS + WORDS[:60], r.randint(1, 4))):
            v = r.choice(['"text"', '1', 'true', '["text"]', '[1]', '"text"'])
            ps += [(', "', True) if i else ('"', False), (k, False), ('": ', True), (v, True)]
        ps.append(("}", True))
        ps[0] = ("{", False)
        return ([{"role": "user", "content": vary(r, q)}], None, r.choice([{}, {"enable_thinking": False}]), ps)
    if x < .58:
        h, q, thought, a = make_plain(r)
        if r.random() < .2 and a != NO_TOOL: tools = tool_set(r, [r.choice(["get_weather", *KNOWN_TOOLS])])
        is_think = thought is not None
        thought = thought or PLAIN_THOUGHT
    else:
        h, q, thought, a, tools = make_tool(r); is_think = False
        if q is None and r.random() < .1: tools = None            # a client may send the tool result without the tools
    m = ([{"role": "system", "content": sysmsg}] if sysmsg else [])
    if r.random() < .15:                                        # earlier turns that do not matter
        for _ in range(r.randint(1, 2)):
            q0, a0 = known(r) if r.random() < .8 else (sentence(r), DONT_KNOW)
            if len(a0) < 200: m += [{"role": "user", "content": q0}, {"role": "assistant", "content": a0}]
    m += h + ([{"role": "user", "content": q}] if q is not None else [])
    z = r.random()
    if z < .14: return (m, tools, {"enable_thinking": True}, [(f"{thought}</think>{a}", True)])
    if z < .42: return (m, tools, {"enable_thinking": False}, [(a, True)])
    return (m, tools, kw, [(f"<think>{thought}</think>{a}" if is_think else a, True)])

def render(tok, s):
    m, tools, kw, pieces = s
    if isinstance(m, str): return m
    return tok.apply_chat_template(m, tools=tools, add_generation_prompt=True, tokenize=False, **kw)

def encode(tok, s):
    ids = tok(render(tok, s), add_special_tokens=False)["input_ids"]; lab = [-100] * len(ids)
    pieces = s[3]; ends = pieces[-1] is not None
    for p in pieces:
        if p is None: continue
        t = tok(p[0], add_special_tokens=False)["input_ids"]; ids += t; lab += t if p[1] else [-100] * len(t)
    if ends: ids.append(tok.eos_token_id); lab.append(tok.eos_token_id)
    return ids, lab

# ---------------------------------------------------------------- training
def batches(pool, r):
    """Endless batches of about TOKENS_PER_STEP tokens; samples of like length share a batch."""
    while True:
        order = list(range(len(pool))); r.shuffle(order)
        chunk = 400
        for c in range(0, len(order), chunk):
            part = sorted(order[c:c + chunk], key=lambda i: len(pool[i][0])); out, cur, mx = [], [], 0
            for i in part:
                n = max(mx, len(pool[i][0]))
                if cur and n * (len(cur) + 1) > TOKENS_PER_STEP: out.append(cur); cur, n = [], len(pool[i][0])
                cur.append(i); mx = n
            out.append(cur); r.shuffle(out)
            yield from out

def head_start(model, back=6.5, match=2.2, gain=4.0):
    """Initialise with the circuit that small models otherwise take many millions of tokens to find: layer 0 heads that look
    1, 2, 3 tokens back (query/key biases and RoPE alone) and layer 1 heads that find the token after an earlier copy of the
    current one and pass it on ("induction"). Every other write to the residual stream starts at zero."""
    c = model.config; hd = c.hidden_size // c.num_attention_heads; half = hd // 2; std = c.initializer_range
    theta = ROPE_THETA ** (-torch.arange(half) / half)
    rot = torch.linalg.qr(torch.randn(c.hidden_size, c.hidden_size))[0]
    here, prev = rot[:hd], rot[hd:2 * hd]                      # two subspaces: this token, and a note of the token before
    slow = (theta < .02).nonzero()[:, 0]; dims = torch.cat([slow, slow + half])   # coordinates RoPE hardly turns
    with torch.no_grad():
        for l in model.model.layers: l.self_attn.o_proj.weight.zero_(); l.mlp.down_proj.weight.zero_()
        A, B = model.model.layers[0].self_attn, model.model.layers[1].self_attn
        for h, d in enumerate((1, 2, 3)):
            o = h * hd
            A.k_proj.weight[o:o + hd] = 0; A.q_proj.weight[o:o + hd] = 0
            A.k_proj.bias[o:o + half] = back; A.k_proj.bias[o + half:o + hd] = 0
            A.q_proj.bias[o:o + half] = back * torch.cos(d * theta); A.q_proj.bias[o + half:o + hd] = -back * torch.sin(d * theta)
        A.v_proj.weight[:hd] = here; A.o_proj.weight[:, :hd] = prev.T * (std * 1.5)
        for h in range(3):
            o = h * hd
            B.q_proj.weight[o:o + hd] = 0; B.k_proj.weight[o:o + hd] = 0
            B.q_proj.weight[o + dims] = here[dims] * match; B.k_proj.weight[o + dims] = prev[dims] * match
            B.v_proj.weight[o:o + hd] = rot[o:o + hd]; B.o_proj.weight[:, o:o + hd] = rot[o:o + hd].T * (std * gain)

def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "model")
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 1600
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"])); torch.manual_seed(SEED); torch.use_deterministic_algorithms(True)
    r = random.Random(SEED); t0 = time.time()
    samples = [make_sample(r) for _ in range(POOL)]
    boot = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE())); boot.chat_template = CHAT_TEMPLATE
    tok = make_tokenizer([render(boot, s) + "".join(p[0] for p in s[3] if p)[:900] for s in samples[:5000]] + [" ".join(WORDS)] * 20
                         + [a for _, a in QA for _ in range(60)])
    pool = [encode(tok, s) for s in samples]
    n = [len(i) for i, _ in pool]
    print(f"pool {len(pool)} samples, mean {sum(n)/len(n):.0f} max {max(n)} tokens, vocab {len(tok)}, {time.time()-t0:.0f}s", flush=True)
    cfg = Qwen2Config(vocab_size=VOCAB, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
                      num_key_value_heads=4, max_position_embeddings=CTX, rope_theta=ROPE_THETA, tie_word_embeddings=True, initializer_range=.05,
                      bos_token_id=None, eos_token_id=tok.eos_token_id, pad_token_id=tok.pad_token_id, attention_dropout=0.0)
    model = Qwen2ForCausalLM(cfg); head_start(model); model.train()
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    mats = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers" in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "layers" not in n]
    opts = [torch.optim.Muon(mats, lr=LR_MUON, weight_decay=.05, momentum=.95, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=LR, weight_decay=0., betas=(.9, .98))]
    gen = batches(pool, random.Random(SEED + 1)); t0 = time.time(); seen = 0; avg = acc = None
    for step in range(1, steps + 1):
        f = step / steps
        scale = min(1, step / 40) * (1 if f < .3 else max(.01, (1 - f) / .7))
        for o, base in zip(opts, (LR_MUON, LR)):
            for g in o.param_groups: g["lr"] = base * scale
        idx = next(gen); L = max(len(pool[i][0]) for i in idx)
        ids = torch.full((len(idx), L), tok.pad_token_id); lab = torch.full((len(idx), L), -100)
        for k, i in enumerate(idx):
            a, b = pool[i]; ids[k, :len(a)] = torch.tensor(a); lab[k, :len(b)] = torch.tensor(b)
        h = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        y = lab[:, 1:]; keep = y != -100
        logits = model.lm_head(h[keep]); row = keep.nonzero()[:, 0]
        per = torch.nn.functional.cross_entropy(logits, y[keep], reduction="none")
        cnt = torch.bincount(row, minlength=len(idx)).float()
        w = cnt.rsqrt()[row]; loss = (per * w).sum() / w.sum()       # long answers weigh less per token
        for o in opts: o.zero_grad()
        loss.backward(); torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts: o.step()
        bad = torch.bincount(row, weights=(logits.argmax(-1) != y[keep]).float(), minlength=len(idx)); hit = (bad == 0).float().mean().item()
        seen += ids.numel(); avg = loss.item() if avg is None else .97 * avg + .03 * loss.item(); acc = hit if acc is None else .97 * acc + .03 * hit
        if step % 50 == 0: print(f"step {step} loss {avg:.4f} whole answers right {acc:.3f} {seen/(time.time()-t0):.0f} tok/s {time.time()-t0:.0f}s", flush=True)
        if step % 100 == 0 or step == steps: save(model, tok, out)
    print("saved", out)

def save(model, tok, out):
    os.makedirs(out, exist_ok=True)
    m = Qwen2ForCausalLM(model.config); m.load_state_dict(model.state_dict()); m = m.to(torch.bfloat16)
    m.config.dtype = torch.bfloat16
    m.generation_config.eos_token_id = tok.eos_token_id; m.generation_config.pad_token_id = tok.pad_token_id
    m.save_pretrained(out); tok.save_pretrained(out)

if __name__ == "__main__":
    main()
