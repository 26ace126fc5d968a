"""MLflow's pages in a real browser: headless Chromium on a server of a storage folder."""

import json
import time
from contextlib import contextmanager
from urllib.parse import urlencode

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1500,950",
)
_PATIENCE_S = 120


@contextmanager
def chromium(profile):
    """A browser with an empty profile, which talks to nobody but the pages that it is sent to."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


class MlflowPages:
    """What people do in MLflow's pages.

    Args:
        browser: Selenium's driver.
        url: The server.
        experiment: Id of a study's experiment.
    """

    def __init__(self, browser, url, experiment):
        self.browser = browser
        self._url = f"{url}/#"
        self._experiment = experiment

    def runs(self, search=""):
        """Opens the list of runs and returns the names that it shows."""
        query = urlencode({"searchFilter": search, "orderByKey": "attributes.start_time", "orderByAsc": "true"})
        self._open(f"/experiments/{self._experiment}/runs?{query}")
        self._until(self.names, "runs")
        return self.names()

    def names(self):
        """Names of the runs in the list, from top to bottom."""
        return [link.text for link in sorted(self._links(), key=lambda link: link.location["y"])]

    def expand(self, trial):
        """Opens the child runs of a trial and returns the names that the list shows then."""
        before = len(self.names())
        link = next(link for link in self._links() if link.text.startswith(f"trial {trial} "))
        link.find_element(By.XPATH, "ancestor::*[@role='row']//button").click()
        self._until(lambda: len(self.names()) > before, "child runs")
        return self.names()

    def compare(self, runs, metrics):
        """Opens the parallel coordinates of runs, adds metrics and returns the titles of the axes."""
        query = {"runs": json.dumps(runs), "experiments": json.dumps([self._experiment])}
        self._open(f"/compare-runs?{urlencode(query)}")
        self._until(self.axes, "parallel coordinates")
        for metric in metrics:
            if metric not in self.axes():
                self._choose("Metrics:", metric)
                self._until(lambda metric=metric: metric in self.axes(), metric)
        return self.axes()

    def axes(self):
        """Titles of the axes of the parallel coordinates."""
        return [title.text for title in self.browser.find_elements(By.CSS_SELECTOR, ".parcoords .axis-title")]

    def curves(self, runs, metric):
        """Opens the curves of one metric of several runs and returns how many points each has."""
        query = {
            "runs": json.dumps(runs),
            "metric": json.dumps(metric),
            "experiments": json.dumps([self._experiment]),
            "plot_metric_keys": json.dumps([metric]),
            "plot_layout": json.dumps({"autosize": True, "xaxis": {}, "yaxis": {}}),
            "x_axis": "step",
            "y_axis_scale": "linear",
            "line_smoothness": "1",
            "show_point": "true",
            "deselected_curves": "[]",
            "last_linear_y_axis_range": "[]",
        }
        self._open(f"/metric?{urlencode(query)}")
        self._until(lambda: len(self._traces()) == len(runs), "curves")
        return self._traces()

    def screenshot(self, path):
        """Writes what the page shows as PNG, without MLflow's assistant beside it."""
        for button in self.browser.find_elements(
            By.CSS_SELECTOR, "[data-component-id='mlflow.assistant.chat_panel.close']"
        ):
            button.click()
        time.sleep(1.5)  # plots grow into the space
        self.browser.save_screenshot(str(path))

    def _links(self):
        links = self.browser.find_elements(By.CSS_SELECTOR, "[role=row] a")
        return [link for link in links if link.text and "/runs/" in (link.get_attribute("href") or "")]

    def _traces(self):
        drawn = self.browser.find_elements(By.CSS_SELECTOR, ".scatterlayer .trace")
        points = [len(trace.find_elements(By.CSS_SELECTOR, ".points path")) for trace in drawn]
        return [number for number in points if number]  # beside each curve lies an empty one

    def _choose(self, label, option):
        titles = self.browser.find_elements(By.XPATH, f"//*[normalize-space(text())='{label}']")
        box = titles[0].find_element(By.XPATH, "following::input[1]")
        box.click()
        box.send_keys(option)
        choice = f"//*[contains(@class, 'select-item-option') or @role='option'][normalize-space()='{option}']"
        self._until(lambda: self.browser.find_elements(By.XPATH, choice), option)
        self.browser.find_elements(By.XPATH, choice)[-1].click()
        box.send_keys(Keys.ESCAPE)

    def _open(self, page):
        self.browser.get("about:blank")  # else only the fragment changes, and the page does not load anew
        self.browser.get(self._url + page)

    def _until(self, condition, what):
        ignored = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.browser, _PATIENCE_S, poll_frequency=0.5, ignored_exceptions=ignored)
        wait.until(lambda browser: condition(), f"MLflow's pages show no {what}")
