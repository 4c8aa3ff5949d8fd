// Offers usernames that begin with what is typed into a field with data-lookup. Without it the field takes the exact name all the same.

const PAUSE_MS = 150;

function offer(field) {
  const list = document.getElementById(field.getAttribute("list"));
  let timer = 0;
  let asked = "";
  field.addEventListener("input", () => {
    clearTimeout(timer);
    const typed = field.value.trim();
    if (typed && typed !== asked) {
      timer = setTimeout(() => ask(typed), PAUSE_MS);
    }
  });

  async function ask(typed) {
    asked = typed;
    const answer = await fetch(`${field.dataset.lookup}?${new URLSearchParams({ term: typed })}`).catch(() => null);
    if (!answer?.ok || asked !== typed) {
      return;
    }
    const { usernames } = await answer.json();
    list.replaceChildren(
      ...usernames.map((username) => {
        const option = document.createElement("option");
        option.value = username;
        return option;
      }),
    );
  }
}

for (const field of document.querySelectorAll("input[data-lookup]")) {
  offer(field);
}
