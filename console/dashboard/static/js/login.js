const form = document.getElementById("form");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/login", {
    method: "POST",
    headers: { "content-type": "application/json", "x-vpp-request": "page" },
    body: JSON.stringify({ token: document.getElementById("token").value.trim() }),
  });
  if (answer.ok) location.assign("/");
  else document.getElementById("why").textContent = (await answer.json()).detail;
});
